import { join } from 'node:path';
import { startProcess } from '../servers/process.ts';
import { TOKEN_VARIABLE } from './environment.ts';
import { REPOSITORY } from './run-dir.ts';
import type { Launch } from './servers.ts';

/** Its id and its kind on record. */
const LOG_KEEPER = 'log-keeper';

/**
 * Starts the process that bounds the log files, unless it runs. Servers, producers and mappers write to the
 * files that `up` has opened for them, and none of them can rotate such a file.
 */
export async function startLogKeeper({ runDir, state, onSpawn }: Launch): Promise<void> {
  if (state.findRunning(LOG_KEEPER) !== undefined) return;
  const isSmall = state.setup.memory === 'small';
  const { identity } = await startProcess({
    id: LOG_KEEPER,
    command: isSmall ? 'sh' : process.execPath,
    args: [
      join(REPOSITORY, 'scripts/cluster', isSmall ? 'log-keeper.sh' : 'log-keeper-main.ts'),
      runDir.logs,
    ],
    logFile: runDir.logOf(LOG_KEEPER),
    env: { ...process.env, [TOKEN_VARIABLE]: state.token },
    dieWithParent: false,
  });
  onSpawn(LOG_KEEPER, LOG_KEEPER, identity);
}
