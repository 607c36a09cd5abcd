import { expect } from 'chai';
import { Redis } from 'ioredis';
import { openPool } from '../../db/redis/pool.ts';
import { WatchedPool } from '../../mapper/keys/watched-pool.ts';
import { Breaker } from '../../runtime/breaker.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import { createLog } from '../../runtime/log.ts';
import { testRedis } from '../servers.ts';
import { viaProxy, type Proxied } from './faulty.ts';

const log = createLog('test', 'pools', 'silent');

/** A pool of keys on a Redis behind a proxy. */
export interface TestPool extends Proxied, AsyncDisposable {
  /** Connected directly, without the proxy. */
  readonly client: Redis;
  readonly watched: WatchedPool;
}

export interface TestPoolOptions {
  /** The clock of the pools, in monotonic milliseconds. */
  readonly now?: () => number;
  readonly onTake: (name: string) => void;
}

/** Opens `count` empty pools; all are connected. */
export async function openTestPools(count: number, options: TestPoolOptions): Promise<TestPool[]> {
  return Promise.all((await testRedis(count)).map(async (server) => openTestPool(server, options)));
}

async function openTestPool(
  server: { name: string; url: string },
  { onTake, now = monotonicMs }: TestPoolOptions,
): Promise<TestPool> {
  const proxied = await viaProxy(server);
  const client = new Redis(server.url);
  const { name, url, proxy } = proxied;
  const pool = openPool({ name, url, log });
  const take = pool.take.bind(pool);
  pool.take = async (...args) => {
    onTake(name);
    return take(...args);
  };
  const breaker = new Breaker({ failures: 2, coolDownMs: 100, maxCoolDownMs: 200, now: monotonicMs });
  const watched = new WatchedPool({ pool, breaker, keyLength: 8, now, log });
  expect(await pool.whenConnected(5_000)).to.equal(true);
  return {
    ...proxied,
    client,
    watched,
    [Symbol.asyncDispose]: async () => {
      await pool[Symbol.asyncDispose]();
      client.disconnect();
      await proxy.stop();
    },
  };
}
