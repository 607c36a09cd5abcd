import { openMysql } from '../../db/mysql/mysql.ts';

/** What a running MariaDB server can be given and taken without a restart. */
export interface MariadbSize {
  readonly bufferPoolBytes: number;
  readonly connections: number;
}

/** The server gives pages back little by little. */
const RESIZE_TIMEOUT_MS = 60_000;

interface SizeRow {
  readonly bufferPoolBytes: number;
  readonly connections: number;
}

/** @throws StoreUnavailableError */
export async function readSize(url: string): Promise<MariadbSize> {
  return withServer(url, async (server) => {
    const [row] = await server.query<SizeRow>(
      'SELECT @@innodb_buffer_pool_size AS bufferPoolBytes, @@max_connections AS connections',
    );
    return { bufferPoolBytes: Number(row?.bufferPoolBytes), connections: Number(row?.connections) };
  });
}

/**
 * Makes a running server larger or smaller. Statements go on meanwhile. May be repeated.
 * @throws StoreRefusedError, StoreUnavailableError
 */
export async function resize(url: string, { bufferPoolBytes, connections }: MariadbSize): Promise<void> {
  const options = { timeoutMs: RESIZE_TIMEOUT_MS };
  await withServer(url, async (server) => {
    await server.execute(`SET GLOBAL max_connections = ${connections}`, [], options);
    await server.execute(`SET GLOBAL innodb_buffer_pool_size = ${bufferPoolBytes}`, [], options);
  });
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
