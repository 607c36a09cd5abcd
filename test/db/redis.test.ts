import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { expect } from 'chai';
import * as fc from 'fast-check';
import { Redis } from 'ioredis';
import { openPool, type Pool, type PoolOptions } from '../../db/pool.ts';
import { openRedis } from '../../db/redis-client.ts';
import { OutcomeUnknownError, StoreUnavailableError } from '../../db/store-errors.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import { createLog } from '../../runtime/log.ts';
import type { FaultyProxy } from '../../scripts/faults/proxy.ts';
import { reserveAnyPort } from '../../scripts/servers/ports.ts';
import { startRedis } from '../../scripts/servers/redis.ts';
import { stopAtEnd, testFolder, testRedis } from '../servers.ts';
import { until } from '../until.ts';
import { loseNextAnswer, loseRequest, startWire, through } from './wire.ts';

const log = createLog('test', 'redis', 'silent');
const KEYS_DB = 'keys-db-1';
const KEYS = ['aaaaaaaa', 'bbbbbbbb', 'cccccccc'];

async function errorOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

describe('a connection to Redis', () => {
  let url: string;
  let wire: FaultyProxy;
  let direct: Redis;
  let pool: Pool;

  beforeEach(async () => {
    const [server] = await testRedis();
    if (server === undefined) throw new Error('no test Redis');
    url = server.url;
    wire = await startWire(url);
    direct = new Redis(url);
  });

  afterEach(async () => {
    await pool[Symbol.asyncDispose]();
    await wire[Symbol.asyncDispose]();
    direct.disconnect();
  });

  async function openThroughWire(options: Partial<PoolOptions> = {}): Promise<Pool> {
    pool = openPool({ name: 'redis-1', url: through(wire, url), log, ...options });
    expect(await pool.whenConnected(5_000)).to.equal(true);
    return pool;
  }

  describe('that is cut', () => {
    it('does not know whether what it had sent was done, and never sends it again by itself', async () => {
      await openThroughWire();
      await pool.raiseEpoch(KEYS_DB, 1);
      loseNextAnswer(wire);
      expect(await errorOf(pool.deliver({ keysDb: KEYS_DB, epoch: 1, seq: 1, keys: KEYS }))).to.be.instanceOf(
        OutcomeUnknownError,
      );
      await until('a new connection', () => pool.connected);
      expect(await direct.lrange('keys:available', 0, -1)).to.deep.equal(KEYS);
      const again = await pool.deliver({ keysDb: KEYS_DB, epoch: 1, seq: 1, keys: KEYS });
      expect(again).to.include({ result: 'duplicate', level: 3 });
    });

    it('takes no key a second time for a take whose answer was lost', async () => {
      await direct.rpush('keys:available', ...KEYS);
      await openThroughWire();
      loseNextAnswer(wire);
      expect(await errorOf(pool.take(1))).to.be.instanceOf(OutcomeUnknownError);
      await until('a new connection', () => pool.connected);
      expect(await pool.level()).to.equal(2);
    });

    it('settles every command in flight, those sent in one burst included', async () => {
      await openThroughWire();
      const burst = await loseRequest(wire, async () =>
        Promise.all(Array.from({ length: 100 }, async () => errorOf(pool.level()))),
      );
      for (const error of burst) expect(error).to.be.instanceOf(OutcomeUnknownError);
    });

    it('is back within half a second of the server', async () => {
      await openThroughWire();
      wire.cut();
      await until('the loss', () => !pool.connected);
      const lostAt = monotonicMs();
      await until('a new connection', () => pool.connected);
      expect(monotonicMs() - lostAt).to.be.below(500);
    });

    it('delivers every part exactly once and in order, whatever is cut, to a producer that repeats', async () => {
      await openThroughWire();
      const cuts = {
        now: () => wire.cut(),
        answer: () => loseNextAnswer(wire),
        turn: () => setImmediate(() => wire.cut()),
        soon: () => setTimeout(() => wire.cut(), 1),
        none: () => undefined,
      };
      const kinds = fc.constantFrom(...(Object.keys(cuts) as (keyof typeof cuts)[]));
      const plan = fc.array(kinds, { minLength: 20, maxLength: 20 });
      const everyPartOnce = fc.asyncProperty(plan, async (steps) => {
        const expected: string[] = [];
        await direct.flushdb();
        for (const [index, kind] of steps.entries()) {
          const seq = index + 1;
          const size = seq % 3 === 0 ? 15_000 : 3;
          const keys = Array.from({ length: size }, (_, key) => `${seq}-${key}`.padEnd(8, '_'));
          expected.push(...keys);
          cuts[kind]();
          await until(`part ${seq}`, async () => {
            const reply = await pool.deliver({ keysDb: KEYS_DB, epoch: 1, seq, keys });
            return reply.result === 'ok' || reply.result === 'duplicate';
          });
        }
        expect(await direct.lrange('keys:available', 0, -1)).to.deep.equal(expected);
      });
      await fc.assert(everyPartOnce, { numRuns: 1, endOnFailure: true });
    });

    it('refuses at once, and keeps nothing for later, while it is away', async () => {
      await openThroughWire();
      const { port } = wire;
      await wire[Symbol.asyncDispose]();
      await until('the loss', () => !pool.connected);
      const startedAt = monotonicMs();
      const error = await errorOf(pool.deliver({ keysDb: KEYS_DB, epoch: 1, seq: 1, keys: KEYS }));
      expect(error).to.be.instanceOf(StoreUnavailableError);
      expect(String(error)).to.include('redis-1');
      expect(monotonicMs() - startedAt).to.be.below(50);
      wire = await startWire(url, port);
      await until('a new connection', () => pool.connected);
      expect(await direct.exists('keys:available')).to.equal(0);
    });
  });

  describe('that hangs', () => {
    it('fails a command at its deadline and refuses further ones at once, until the late answer comes', async () => {
      await openThroughWire({ commandTimeoutMs: 100 });
      wire.silence();
      const startedAt = monotonicMs();
      expect(await errorOf(pool.level())).to.be.instanceOf(OutcomeUnknownError);
      expect(monotonicMs() - startedAt).to.be.within(95, 1_000);
      expect(pool.connected).to.equal(false);
      const refusedAt = monotonicMs();
      expect(await errorOf(pool.level())).to.be.instanceOf(StoreUnavailableError);
      expect(monotonicMs() - refusedAt).to.be.below(50);
      wire.heal();
      await until('an answer', () => pool.connected);
      expect(await pool.level()).to.equal(0);
      expect(wire.accepted).to.equal(1);
    });

    it('hands keys that arrive after the deadline to whoever asked for them', async () => {
      await direct.rpush('keys:available', ...KEYS);
      const late: string[][] = [];
      await openThroughWire({ onLateKeys: (keys) => late.push(keys) });
      wire.silence();
      expect(await errorOf(pool.take(2, { timeoutMs: 50 }))).to.be.instanceOf(OutcomeUnknownError);
      wire.heal();
      await until('the late keys', () => late.length > 0);
      expect(late).to.deep.equal([['aaaaaaaa', 'bbbbbbbb']]);
    });

    it('puts late keys back to the head when nobody asks for them', async () => {
      await direct.rpush('keys:available', ...KEYS);
      await openThroughWire();
      wire.delay(60);
      expect(await errorOf(pool.take(2, { timeoutMs: 50 }))).to.be.instanceOf(OutcomeUnknownError);
      await until('the take', async () => (await direct.llen('keys:available')) === 1);
      await until(
        'the keys',
        async () => (await direct.lrange('keys:available', 0, -1)).length === 3 && pool.connected,
      );
      expect(await direct.lrange('keys:available', 0, -1)).to.deep.equal(KEYS);
    });

    it('is given up when it hangs on, and replaced', async () => {
      await openThroughWire({ commandTimeoutMs: 50, hangMs: 150 });
      wire.silence();
      await errorOf(pool.level());
      await until('a second connection', () => wire.accepted >= 2);
      wire.heal();
      await until('an answer', () => pool.connected);
      expect(await pool.level()).to.equal(0);
    });

    it('is noticed while nobody asks anything', async () => {
      await openThroughWire({ commandTimeoutMs: 100 });
      wire.silence();
      await until('the silence to be noticed', () => !pool.connected, { timeoutMs: 3_000 });
    });

    it('is noticed behind a delivery, whose own deadline is long', async () => {
      await openThroughWire({ commandTimeoutMs: 100 });
      wire.silence();
      const delivery = errorOf(pool.deliver({ keysDb: KEYS_DB, epoch: 1, seq: 1, keys: KEYS }));
      await until('the silence to be noticed', () => !pool.connected, { timeoutMs: 3_000 });
      wire.cut();
      expect(await delivery).to.be.instanceOf(OutcomeUnknownError);
    });

    it('answers a stopped server late, once it goes on', async () => {
      const server = await stopAtEnd(
        startRedis({
          id: 'redis-stopped',
          dir: join(testFolder(), 'stopped'),
          logFile: join(testFolder(), 'stopped.log'),
        }),
      );
      const late: string[][] = [];
      pool = openPool({
        name: 'redis-1',
        url: `redis://127.0.0.1:${server.port}`,
        log,
        commandTimeoutMs: 100,
        onLateKeys: (keys) => late.push(keys),
      });
      await pool.whenConnected(5_000);
      await pool.deliver({ keysDb: KEYS_DB, epoch: 1, seq: 1, keys: KEYS });
      server.signal('SIGSTOP');
      try {
        expect(await errorOf(pool.take(3))).to.be.instanceOf(OutcomeUnknownError);
        expect(pool.connected).to.equal(false);
      } finally {
        server.signal('SIGCONT');
      }
      await until('the late keys', () => late.length > 0);
      expect(late).to.deep.equal([KEYS]);
      await until('an answer', () => pool.connected);
      await server.stop();
    });

    it('is not taken for hung when it was this process that stalled', async () => {
      pool = openPool({ name: 'redis-1', url, log, commandTimeoutMs: 100 });
      await pool.whenConnected(5_000);
      const level = pool.level();
      await new Promise((resolve) => setImmediate(resolve)); // sent
      const stalledUntil = monotonicMs() + 300;
      while (monotonicMs() < stalledUntil);
      expect(await level).to.equal(0);
    });
  });

  describe('that cannot be made', () => {
    let silent: Server | undefined;

    afterEach(() => {
      silent?.close();
      silent = undefined;
    });

    it('counts a server that accepts and never answers as away', async () => {
      silent = createServer(() => undefined).listen(0, '127.0.0.1');
      await once(silent, 'listening');
      const address = silent.address();
      const port = address !== null && typeof address === 'object' ? address.port : 0;
      pool = openPool({ name: 'redis-1', url: `redis://127.0.0.1:${port}`, log });
      expect(await pool.whenConnected(300)).to.equal(false);
      expect(await errorOf(pool.take(1))).to.be.instanceOf(StoreUnavailableError);
    });

    it('says why: nobody listens, wrong password, no such database', async () => {
      const unused = await reserveAnyPort();
      unused.release();
      const wrongPassword = new URL(url);
      wrongPassword.password = 'wrong';
      const noDatabase = new URL(url);
      noDatabase.pathname = '/99999';
      for (const [target, reason] of [
        [`redis://127.0.0.1:${unused.port}`, 'ECONNREFUSED'],
        [wrongPassword.href, 'WRONGPASS'],
        [noDatabase.href, 'DB index is out of range'],
      ] as const) {
        await pool?.[Symbol.asyncDispose]();
        pool = openPool({ name: 'redis-1', url: target, log });
        await until(`the reason ${reason}`, async () => String(await errorOf(pool.level())).includes(reason));
        expect(pool.connected).to.equal(false);
      }
    });

    it('connects by itself when the server comes up later', async () => {
      const reserved = await reserveAnyPort();
      reserved.release();
      pool = openPool({ name: 'redis-1', url: `redis://127.0.0.1:${reserved.port}`, log });
      expect(await errorOf(pool.level())).to.be.instanceOf(StoreUnavailableError);
      const server = await stopAtEnd(
        startRedis({
          id: 'redis-late',
          dir: join(testFolder(), 'late'),
          logFile: join(testFolder(), 'late.log'),
          port: reserved.port,
        }),
      );
      expect(await pool.whenConnected(2_000)).to.equal(true);
      await server.stop();
    });
  });

  describe('to a Redis that refuses', () => {
    it('is unavailable and names the reason: out of memory, read-only, disk', async () => {
      const server = await stopAtEnd(
        startRedis({
          id: 'redis-full',
          dir: join(testFolder(), 'full'),
          logFile: join(testFolder(), 'full.log'),
        }),
      );
      pool = openPool({ name: 'redis-1', url: `redis://127.0.0.1:${server.port}`, log });
      await pool.whenConnected(5_000);
      const admin = new Redis(server.port);
      const deliver = async (): Promise<unknown> =>
        errorOf(pool.deliver({ keysDb: KEYS_DB, epoch: 1, seq: 1, keys: KEYS }));
      try {
        await admin.config('SET', 'maxmemory', '1');
        const full = await deliver();
        expect(full).to.be.instanceOf(StoreUnavailableError);
        expect(String(full)).to.include('redis-1').and.to.include('OOM');
        await admin.config('SET', 'maxmemory', '0');

        await admin.replicaof('127.0.0.1', 1);
        const readOnly = await deliver();
        expect(readOnly).to.be.instanceOf(StoreUnavailableError);
        expect(String(readOnly)).to.include('READONLY');
        await admin.replicaof('NO', 'ONE');

        // A directory in the place of the snapshot: saving fails, and then Redis refuses writes.
        await mkdir(join(testFolder(), 'full', 'dump.rdb'));
        await admin.config('SET', 'save', '3600 1');
        await admin.bgsave();
        const unsaved = await until('a refused write', async () => {
          const error = await errorOf(pool.raiseEpoch(KEYS_DB, 1));
          return String(error).includes('MISCONF') ? error : undefined;
        });
        expect(unsaved).to.be.instanceOf(StoreUnavailableError);
        expect(String(unsaved)).to.not.include('user_script');
        await admin.config('SET', 'save', '');

        // Nothing of it was written, and the connection serves on.
        const reply = await pool.deliver({ keysDb: KEYS_DB, epoch: 1, seq: 1, keys: KEYS });
        expect(reply).to.deep.equal({ result: 'ok', epoch: 1, seq: 1, level: 3 });
      } finally {
        admin.disconnect();
        await server.stop();
      }
    });
  });

  describe('that is closed', () => {
    it('settles what was in flight and refuses everything after', async () => {
      await openThroughWire();
      wire.silence();
      const inFlight = errorOf(pool.level());
      await pool[Symbol.asyncDispose]();
      expect(await inFlight).to.be.instanceOf(OutcomeUnknownError);
      expect(await errorOf(pool.level())).to.be.instanceOf(StoreUnavailableError);
    });

    it('can be closed while it is still being made', async () => {
      wire.silence();
      pool = openPool({ name: 'redis-1', url: through(wire, url), log });
      await until('the attempt', () => wire.accepted > 0);
      const startedAt = monotonicMs();
      await pool[Symbol.asyncDispose]();
      expect(monotonicMs() - startedAt).to.be.below(500);
    });

    it('can be closed twice', async () => {
      await openThroughWire();
      await pool[Symbol.asyncDispose]();
      await pool[Symbol.asyncDispose]();
    });
  });

  it('refuses more than it may have in flight', async () => {
    await openThroughWire();
    wire.silence();
    await using client = openRedis(through(wire, url), { name: 'redis-1', log });
    wire.heal();
    expect(await client.whenConnected(2_000)).to.equal(true);
    wire.silence();
    const flood = Array.from({ length: 10_001 }, async () =>
      errorOf(client.command('LLEN', ['keys:available'])),
    );
    expect(await flood[10_000]).to.be.instanceOf(StoreUnavailableError);
    wire.cut();
    await Promise.all(flood);
  });
});
