import { readMapperConfig } from '../runtime/config/config.ts';
import { runMain } from '../runtime/lifecycle.ts';
import { createLog } from '../runtime/log.ts';
import { startMapper } from './mapper.ts';

const SHUTDOWN_DEADLINE_MS = 15_000;

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
