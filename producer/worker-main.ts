import { MismatchError } from '../db/store-errors.ts';
import { readProducerConfig } from '../runtime/config/config.ts';
import { runMain } from '../runtime/lifecycle.ts';
import { createLog } from '../runtime/log.ts';
import { EXIT_MISCONFIGURED } from './processes/messages.ts';
import { connectSupervisor, whenStarted } from './processes/supervisor-link.ts';
import { startWorker } from './worker.ts';

/** The producer's second process: a standby until its supervisor sends `start`, then the worker. */
await whenStarted().catch(() => process.exit(0));
await runMain(() => {
  const config = readProducerConfig();
  const log = createLog('producer', config.id, config.logLevel).child({ role: 'worker' });
  return {
    log,
    shutdownDeadlineMs: 2_000,
    start: async (scope) => {
      const link = connectSupervisor((why) => {
        log.info({ why }, 'releasing everything');
        if (!scope.signal.aborted) process.kill(process.pid, 'SIGTERM');
      });
      try {
        await startWorker(config, link, scope, log);
      } catch (error) {
        if (!(error instanceof MismatchError)) throw error;
        log.fatal({ error }, 'a keys-db contradicts the configuration');
        process.exit(EXIT_MISCONFIGURED);
      }
    },
  };
});
