import '../../mapper/v8-flags.ts';
import '../../runtime/config/thread-pool.ts';
import { SHUTDOWN_DEADLINE_MS, startMapper } from '../../mapper/mapper.ts';
import { readMapperConfig } from '../../runtime/config/config.ts';
import { runMain } from '../../runtime/lifecycle.ts';
import { createLog } from '../../runtime/log.ts';

/** A mapper like any other, which takes every picture for one that can be decoded. */
await runMain(() => {
  const config = readMapperConfig();
  const log = createLog('mapper', config.id, config.logLevel);
  return {
    log,
    shutdownDeadlineMs: SHUTDOWN_DEADLINE_MS,
    start: async (scope) => {
      const mapper = await startMapper({
        config: { ...config, processes: 1 },
        log,
        signal: scope.signal,
        decoder: {
          check: async () => undefined,
          thumbnail: async () => Buffer.alloc(0),
          close: () => undefined,
        },
      });
      scope.onRelease('mapper', async () => mapper.stop());
    },
  };
});
