import { expect } from 'chai';
import { Redis } from 'ioredis';
import { openPool, type Pool, type PoolOptions } from '../../db/redis/pool.ts';
import type { FaultyProxy } from '../../drills/proxy/proxy.ts';
import { createLog } from '../../runtime/log.ts';
import { testRedis } from '../servers.ts';
import { startWire, through } from './wire.ts';

export const log = createLog('test', 'redis', 'silent');

/** One Redis, a faulty wire to it, a direct connection to inspect it, and the pools that a test opens. */
export class RedisBed {
  readonly url: string;
  readonly direct: Redis;
  wire: FaultyProxy;
  readonly #pools: Pool[] = [];

  static async start(): Promise<RedisBed> {
    const [server] = await testRedis();
    if (server === undefined) throw new Error('no test Redis');
    return new RedisBed(server.url, await startWire(server.url));
  }

  private constructor(url: string, wire: FaultyProxy) {
    this.url = url;
    this.wire = wire;
    this.direct = new Redis(url);
  }

  /** Opens a pool on `url`, which is closed with the bed. */
  open(url: string, options: Partial<PoolOptions> = {}): Pool {
    const pool = openPool({ name: 'redis-1', url, log, ...options });
    this.#pools.push(pool);
    return pool;
  }

  /** Opens a pool through the wire, and waits until it is connected. */
  async openThroughWire(options: Partial<PoolOptions> = {}): Promise<Pool> {
    const pool = this.open(through(this.wire, this.url), options);
    expect(await pool.whenConnected(5_000)).to.equal(true);
    return pool;
  }

  async stop(): Promise<void> {
    for (const pool of this.#pools) await pool[Symbol.asyncDispose]();
    await this.wire.stop();
    this.direct.disconnect();
  }
}
