import { flushCompileCache } from 'node:module';
import { startMapper } from '../../../mapper/mapper.ts';
import { readMapperConfig } from '../../../runtime/config/config.ts';
import { runMain } from '../../../runtime/lifecycle.ts';
import { createLog } from '../../../runtime/log.ts';

/** Reserves often, so that faults meet it. */
const IDS = 64;

/** A mapper whose batches of the counter are small. */
await runMain(() => {
  const config = readMapperConfig();
  const log = createLog('mapper', config.id, config.logLevel);
  return {
    log,
    shutdownDeadlineMs: 10_000,
    start: async (scope) => {
      const { signal } = scope;
      const batches = { first: IDS, next: () => IDS };
      const mapper = await startMapper({ config, log, signal, batches, lameDuckMs: 0 });
      // Whoever kills it starts it again, and would compile all modules again.
      flushCompileCache();
      scope.onRelease('mapper', async () => mapper.stop());
    },
  };
});
