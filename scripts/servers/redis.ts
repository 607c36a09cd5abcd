import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ask } from './probe.ts';
import { reserveAnyPort, reservePort } from './ports.ts';
import { startServer, type RunningServer, type StartOptions } from './process.ts';

export interface RedisOptions extends StartOptions {
  readonly id: string;
  /** Holds the configuration and the append-only file; made when missing, its data used when there. */
  readonly dir: string;
  /** This port or the next free one; without it any free one. */
  readonly port?: number;
  readonly password?: string;
  /** Logical databases; the cluster needs one, tests share a server between many. */
  readonly databases?: number;
}

/** Starts one private Redis: append-only file synced every second, never evicts. Throws StartError. */
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
      command: 'redis-server',
      args: [configFile],
      cwd: dir,
      logFile: options.logFile,
      dieWithParent: options.dieWithParent ?? true,
      // While it loads its data it answers -LOADING.
      probe: async () =>
        (await ask(port, hello, (answer) => /\+PONG|-\w+/.test(answer)))?.includes('+PONG') ?? false,
      readyTimeoutMs: 30_000,
      stopTimeoutMs: 10_000,
      onSpawn: options.onSpawn,
      signal: options.signal,
    });
  } finally {
    reserved.release();
  }
}

function redisConfig({ dir, port, password, databases = 1 }: RedisOptions & { port: number }): string {
  return [
    'bind 127.0.0.1',
    `port ${port}`,
    `dir ${JSON.stringify(dir)}`,
    'daemonize no',
    'appendonly yes',
    'appendfsync everysec',
    // The append-only file is the truth; snapshots beside it would only cost.
    'save ""',
    'maxmemory-policy noeviction',
    `databases ${databases}`,
    ...(password === undefined ? [] : [`requirepass ${password}`]),
    '',
  ].join('\n');
}
