import { readMapperConfig } from '../runtime/config/config.ts';
import { runMain } from '../runtime/lifecycle.ts';
import { createLog } from '../runtime/log.ts';
import { SHUTDOWN_DEADLINE_MS, startMapper } from './mapper.ts';

await runMain(() => {
  const config = readMapperConfig();
  const log = createLog('mapper', config.id, config.logLevel);
  return {
    log,
    shutdownDeadlineMs: SHUTDOWN_DEADLINE_MS,
    start: async (scope) => {
      const { signal } = scope;
      const mapper = await startMapper({ config, log, signal });
      scope.onRelease('mapper', async () => mapper.stop());
    },
  };
});
