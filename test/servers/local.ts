import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { FaultyProxy } from '../../drills/proxy/proxy.ts';
import { MARIADB_OPERATOR, startMariaDb, type MariaDbOptions } from '../../scripts/servers/mariadb.ts';
import { isPortFree } from '../../scripts/servers/ports.ts';
import type { RunningServer } from '../../scripts/servers/process.ts';
import { startRedis } from '../../scripts/servers/redis.ts';
import { startZooKeeper, startZooKeeperServer } from '../../scripts/servers/zookeeper.ts';
import { until } from '../until.ts';
import type { Ensemble, MysqlServer, RedisServer, Server, Services } from './services.ts';

/**
 * Nothing waits for the disk: to make a table takes several such waits, and tests make thousands. What a
 * killed server has written is still there, because the machine goes on.
 */
const HASTY_MARIADB: Pick<MariaDbOptions, 'flushLogAtCommit' | 'extraArgs'> = {
  flushLogAtCommit: 0,
  extraArgs: ['--innodb-flush-method=nosync', '--debug-no-sync', '--skip-sync-frm'],
};

/**
 * Servers as child processes of the test, on free ports of the loopback address, with their data in `folder`.
 */
export class LocalServices implements Services {
  readonly #folder: () => string;
  readonly #started: Promise<{ stop(): Promise<void> }>[] = [];

  constructor(folder: () => string) {
    this.#folder = folder;
  }

  async startMysql({
    id,
    durable = false,
    cuttable,
  }: Parameters<Services['startMysql']>[0]): Promise<MysqlServer> {
    const password = randomBytes(12).toString('hex');
    const dir = join(this.#folder(), id);
    const logFile = `${dir}.log`;
    const given = { id, dir, logFile, password, ...(durable ? {} : HASTY_MARIADB) };
    const start = async (port?: number): Promise<RunningServer> =>
      startMariaDb({ ...given, ...(port !== undefined && { port }) });
    const server = await this.#run({ id, dir, logFile, start, cuttable });
    return Object.assign(server, {
      url: (database: string) =>
        `mysql://${MARIADB_OPERATOR}:${password}@127.0.0.1:${server.port}/${database}`,
    });
  }

  async startRedis({
    id,
    databases = 1,
    cuttable,
  }: Parameters<Services['startRedis']>[0]): Promise<RedisServer> {
    const password = randomBytes(12).toString('hex');
    const dir = join(this.#folder(), id);
    const logFile = `${dir}.log`;
    const start = async (port?: number): Promise<RunningServer> =>
      startRedis({ id, dir, logFile, password, databases, ...(port !== undefined && { port }) });
    const server = await this.#run({ id, dir, logFile, start, cuttable });
    return Object.assign(server, {
      url: (database = 0) => `redis://:${password}@127.0.0.1:${server.port}/${database}`,
    });
  }

  async startZooKeeper({
    id,
    servers: count = 3,
    cuttable,
  }: Parameters<Services['startZooKeeper']>[0]): Promise<Ensemble> {
    const dir = join(this.#folder(), id);
    await mkdir(dir, { recursive: true });
    const logFile = (name: string): string => join(dir, `${name}.log`);
    const starting = startZooKeeper({ dir, servers: count, logFile, forceSync: false });
    this.#started.push(starting);
    const ensemble = await starting;
    const servers = await Promise.all(
      ensemble.servers.map(async (running, index) =>
        this.#run({
          id: running.id,
          dir: join(dir, running.id),
          logFile: logFile(running.id),
          running,
          start: async () => startZooKeeperServer(ensemble.layout, index + 1),
          cuttable,
        }),
      ),
    );
    return {
      connect: servers.map(({ port }) => `127.0.0.1:${port}`).join(','),
      servers,
      stop: async () => void (await Promise.all(servers.map(async (server) => server.stop()))),
    };
  }

  async close(): Promise<void> {
    // Also the servers that are still starting: when a run ends early, none may start after it.
    const servers = await Promise.allSettled(this.#started);
    await Promise.all(
      servers.map(async (server) => (server.status === 'fulfilled' ? server.value.stop() : undefined)),
    );
  }

  async #run(options: LocalServerOptions): Promise<LocalServer> {
    const starting = LocalServer.start(options);
    this.#started.push(starting);
    return starting;
  }
}

interface LocalServerOptions {
  readonly id: string;
  readonly dir: string;
  readonly logFile: string;
  /** Starts it with its data, on `port` if it had one before. */
  readonly start: (port?: number) => Promise<RunningServer>;
  /** The server that already runs. */
  readonly running?: RunningServer;
  readonly cuttable: boolean | undefined;
}

/** A child process that tests may break. */
export class LocalServer implements Server {
  readonly id: string;
  readonly host = '127.0.0.1';
  readonly #options: LocalServerOptions;
  readonly #proxy: FaultyProxy | undefined;
  #running: RunningServer;

  static async start(options: LocalServerOptions): Promise<LocalServer> {
    const running = options.running ?? (await options.start());
    const target = { host: '127.0.0.1', port: running.port };
    return new LocalServer(options, running, options.cuttable ? await FaultyProxy.start(target) : undefined);
  }

  private constructor(options: LocalServerOptions, running: RunningServer, proxy: FaultyProxy | undefined) {
    this.id = options.id;
    this.#options = options;
    this.#running = running;
    this.#proxy = proxy;
  }

  get port(): number {
    return this.#proxy?.port ?? this.#running.port;
  }

  async kill(): Promise<void> {
    this.#running.signal('SIGKILL');
    await this.#running.stop();
  }

  async restart({ wiped = false } = {}): Promise<void> {
    const { dir, start } = this.#options;
    if (wiped) await rm(dir, { recursive: true, force: true });
    const { port } = this.#running;
    // A killed process counts as ended when its first thread has ended. Its last thread closes the port.
    await until(`port ${port} of ${this.id} to be free`, async () => isPortFree(port));
    this.#running = await start(port);
  }

  async pause(): Promise<void> {
    this.#running.signal('SIGSTOP');
  }

  async resume(): Promise<void> {
    this.#running.signal('SIGCONT');
  }

  async disconnect(): Promise<void> {
    this.#wire.silence();
  }

  async connect(): Promise<void> {
    this.#wire.heal();
  }

  async log(): Promise<string> {
    return readFileSync(this.#options.logFile, 'utf8');
  }

  async stop(): Promise<void> {
    await this.#running.stop();
    this.#proxy?.heal();
    await this.#proxy?.stop();
  }

  get #wire(): FaultyProxy {
    if (this.#proxy === undefined) throw new Error(`${this.id} was not started as cuttable`);
    return this.#proxy;
  }
}
