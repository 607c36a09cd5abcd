import { existsSync } from 'node:fs';
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { reserveAnyPort, reservePort } from './ports.ts';
import { ask } from './probe.ts';
import { startServer, type RunningServer, type StartOptions } from './process.ts';

export interface RedisOptions extends StartOptions {
  readonly id: string;
  /**
   * The folder of the configuration and the append-only file. It is created when missing; existing data is
   * used.
   */
  readonly dir: string;
  /** This port or the next free one; without it, any free port. */
  readonly port?: number;
  readonly password?: string;
  /** Number of logical databases. A cluster needs one; tests share a server. */
  readonly databases?: number;
}

/**
 * Starts a private Redis that syncs its append-only file every second and never evicts.
 * @throws StartError
 */
export async function startRedis(options: RedisOptions): Promise<RunningServer> {
  const { id, dir, password } = options;
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const reserved = options.port === undefined ? await reserveAnyPort() : await reservePort(options.port);
  const { port } = reserved;
  const configFile = join(dir, 'redis.conf');
  await writeFile(configFile, redisConfig({ ...options, port }), { mode: 0o600 });
  const hello = password === undefined ? 'PING\r\n' : `AUTH ${password}\r\nPING\r\n`;
  try {
    return await startServer({
      id,
      port,
      command: await serverBinary(dir),
      args: [configFile],
      cwd: dir,
      logFile: options.logFile,
      dieWithParent: options.dieWithParent ?? true,
      // While it loads its data, it answers -LOADING.
      probe: async () =>
        (await ask(port, hello, (answer) => /\+PONG|-\w+/.test(answer)))?.includes('+PONG') ?? false,
      readyTimeoutMs: 30_000,
      stopTimeoutMs: 10_000,
      onSpawn: options.onSpawn,
      env: options.env,
      signal: options.signal,
    });
  } finally {
    reserved.release();
  }
}

/**
 * The machine's `redis-server`, or the same binary under another name. Debian's redis-tools, which installs
 * no service, contains it as redis-check-rdb. The binary chooses its role by its file name, so we make a
 * link.
 */
async function serverBinary(dir: string): Promise<string> {
  const folders = (process.env['PATH'] ?? '').split(':');
  const find = (name: string): string | undefined =>
    folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
  const other = find('redis-check-rdb');
  if (find('redis-server') !== undefined || other === undefined) return 'redis-server';
  const link = join(dir, 'redis-server');
  await rm(link, { force: true });
  await symlink(other, link);
  return link;
}

function redisConfig({ dir, port, password, databases = 1 }: RedisOptions & { port: number }): string {
  return [
    'bind 127.0.0.1',
    `port ${port}`,
    `dir ${JSON.stringify(dir)}`,
    'daemonize no',
    'appendonly yes',
    'appendfsync everysec',
    // The append-only file is enough; snapshots would only cost time.
    'save ""',
    'maxmemory-policy noeviction',
    `databases ${databases}`,
    // Otherwise Redis overwrites its environment, in which `down` looks for the cluster's token.
    'set-proc-title no',
    ...(password === undefined ? [] : [`requirepass ${password}`]),
    '',
  ].join('\n');
}
