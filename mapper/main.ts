import './v8-flags.ts';
import '../runtime/config/thread-pool.ts';
import { readMapperConfig } from '../runtime/config/config.ts';
import { runMain } from '../runtime/lifecycle.ts';
import { createLog } from '../runtime/log.ts';
import { SHUTDOWN_DEADLINE_MS, startMapper } from './mapper.ts';
import { tidyWhenQuiet } from './tidying.ts';
import { canSharePort, startProcesses } from './parent.ts';

await runMain(() => {
  const config = readMapperConfig();
  const log = createLog('mapper', config.id, config.logLevel);
  return {
    log,
    // A parent waits for its processes, which have the same deadline.
    shutdownDeadlineMs: SHUTDOWN_DEADLINE_MS + (config.processes > 1 ? 2_500 : 0),
    start: async (scope) => {
      if (config.processes > 1) {
        if (await canSharePort()) return startProcesses(config, scope, log);
        log.warn('processes cannot share a port on this system: this mapper runs as one');
      }
      const { signal } = scope;
      const mapper = await startMapper({ config: { ...config, processes: 1 }, log, signal });
      const collect = globalThis.gc;
      if (collect !== undefined) tidyWhenQuiet(() => collect());
      scope.onRelease('mapper', async () => mapper.stop());
    },
  };
});
