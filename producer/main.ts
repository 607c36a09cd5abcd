#!/usr/bin/env node
import { readProducerConfig } from '../runtime/config/config.ts';
import { runMain } from '../runtime/lifecycle.ts';
import { createLog } from '../runtime/log.ts';
import { SHUTDOWN_DEADLINE_MS, supervise } from './supervisor.ts';

/** The producer's first process: the supervisor of the worker, which does the work. */
await runMain(() => {
  const config = readProducerConfig();
  const log = createLog('producer', config.id, config.logLevel).child({ role: 'supervisor' });
  return {
    log,
    shutdownDeadlineMs: SHUTDOWN_DEADLINE_MS,
    start: async (scope) => {
      await supervise({ connect: config.zookeeper.connect, log }, scope.signal);
    },
  };
});
