import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { freemem } from 'node:os';
import { join } from 'node:path';
import { MARIADB_USER, startMariaDb } from '../../scripts/servers/mariadb.ts';
import { startRedis } from '../../scripts/servers/redis.ts';
import { startZooKeeper } from '../../scripts/servers/zookeeper.ts';
import type { BenchRun } from '../method/bench-run.ts';
import { makeBenchDir } from './bench-dir.ts';

const GIB = 2 ** 30;

export interface MariaDbShape {
  readonly bufferPoolGib: number;
  readonly redoLog: string;
}

/** Servers for one bench, with data in a folder of its own. They end when disposed, or with this process. */
export class PrivateServers implements AsyncDisposable {
  readonly dir: string;
  readonly #context: BenchRun;
  readonly #stack = new AsyncDisposableStack();

  private constructor(dir: string, context: BenchRun) {
    this.dir = dir;
    this.#context = context;
    this.#stack.defer(() => rm(dir, { recursive: true, force: true }));
  }

  static async create(context: BenchRun, neededGib = 2): Promise<PrivateServers> {
    return new PrivateServers(await makeBenchDir(neededGib), context);
  }

  /** Registers a release that runs before the servers stop. */
  defer(release: () => Promise<unknown> | undefined): void {
    this.#stack.defer(async () => void (await release()));
  }

  /**
   * A durable MariaDB: it flushes every commit. With too little free memory it gets a smaller buffer pool,
   * and reports so.
   */
  async mariaDb({ bufferPoolGib, redoLog }: MariaDbShape): Promise<{ url: (database: string) => string }> {
    const usual = bufferPoolGib * GIB;
    const affordable = Math.min(usual, Math.floor(freemem() * 0.6));
    if (affordable < usual) {
      this.#context.say(
        `only ${(freemem() / GIB).toFixed(1)} GiB of memory are free; the buffer pool is smaller than ${bufferPoolGib} GiB`,
      );
    }
    const password = randomBytes(12).toString('hex');
    const server = await startMariaDb({
      id: 'mysql',
      dir: join(this.dir, 'mysql'),
      logFile: join(this.dir, 'mysql.log'),
      password,
      bufferPool: `${Math.floor(affordable / 2 ** 20)}M`,
      redoLog,
      signal: this.#context.signal,
    });
    this.#stack.defer(() => server.stop());
    return { url: (database) => `mysql://${MARIADB_USER}:${password}@127.0.0.1:${server.port}/${database}` };
  }

  async redis(count: number): Promise<{ name: string; url: string }[]> {
    return Promise.all(
      Array.from({ length: count }, async (_, index) => {
        const id = `redis-${index + 1}`;
        const files = { dir: join(this.dir, id), logFile: join(this.dir, `${id}.log`) };
        const server = await startRedis({ id, ...files, signal: this.#context.signal });
        this.#stack.defer(() => server.stop());
        return { name: id, url: `redis://127.0.0.1:${server.port}` };
      }),
    );
  }

  /** One server, because no figure here depends on a quorum. */
  async zooKeeper(): Promise<{ connect: string }> {
    const ensemble = await startZooKeeper({
      dir: this.dir,
      servers: 1,
      logFile: (id) => join(this.dir, `${id}.log`),
      signal: this.#context.signal,
    });
    this.#stack.defer(() => ensemble.stop());
    return ensemble;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}
