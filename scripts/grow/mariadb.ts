import { setTimeout as delay } from 'node:timers/promises';
import { openMysql } from '../../db/mysql/mysql.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import { messageOf } from '../../runtime/errors.ts';

/** What a running MariaDB server can be given and taken without a restart. */
export interface MariadbSize {
  readonly bufferPoolBytes: number;
  readonly redoLogBytes: number;
  readonly connections: number;
}

/** The server gives pages back little by little. */
const RESIZE_TIMEOUT_MS = 60_000;
const IDLE_PAUSE_MS = 200;

/** @throws StoreUnavailableError */
export async function readSize(url: string): Promise<MariadbSize> {
  return withServer(url, async (server) => {
    const [row] = await server.query<MariadbSize>(
      'SELECT @@innodb_buffer_pool_size AS bufferPoolBytes, @@innodb_log_file_size AS redoLogBytes, ' +
        '@@max_connections AS connections',
    );
    if (row === undefined) throw new Error('MariaDB answered without a row');
    return row;
  });
}

/**
 * Makes a running server larger or smaller. Statements go on meanwhile. May be repeated.
 * @throws StoreRefusedError, StoreUnavailableError
 */
export async function resize(url: string, size: MariadbSize): Promise<void> {
  const options = { timeoutMs: RESIZE_TIMEOUT_MS };
  await withServer(url, async (server) => {
    for (const [variable, value] of [
      ['max_connections', size.connections],
      ['innodb_log_file_size', size.redoLogBytes],
      ['innodb_buffer_pool_size', size.bufferPoolBytes],
    ] as const)
      await onceIdle(async () => server.execute(`SET GLOBAL ${variable} = ${value}`, [], options));
  });
}

/** Repeats a change that the server refuses because one by somebody who was killed is still under way. */
async function onceIdle(change: () => Promise<unknown>): Promise<void> {
  for (const deadline = monotonicMs() + RESIZE_TIMEOUT_MS; ;) {
    try {
      await change();
      return;
    } catch (error) {
      if (!/already in progress/.test(messageOf(error)) || monotonicMs() > deadline) throw error;
      await delay(IDLE_PAUSE_MS);
    }
  }
}

async function withServer<T>(
  url: string,
  work: (server: ReturnType<typeof openMysql>) => Promise<T>,
): Promise<T> {
  const server = openMysql(url, { name: 'mariadb', connections: 1 });
  try {
    return await work(server);
  } finally {
    await server.close();
  }
}
