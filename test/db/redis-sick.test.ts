import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { expect } from 'chai';
import { Redis } from 'ioredis';
import { OutcomeUnknownError, StoreUnavailableError } from '../../db/store-errors.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import { reserveAnyPort } from '../../scripts/servers/ports.ts';
import { startRedis } from '../../scripts/servers/redis.ts';
import { stopAtEnd, testFolder, testServices } from '../servers.ts';
import { until } from '../until.ts';
import { errorOf, errorOfThisTurn } from './outcome.ts';
import { RedisBed } from './redis-fixture.ts';

const KEYS_DB = 'keys-db-1';
const KEYS = ['aaaaaaaa', 'bbbbbbbb', 'cccccccc'];

describe('a connection to a Redis', () => {
  let bed: RedisBed;

  beforeEach(async () => {
    bed = await RedisBed.start();
  });

  afterEach(async () => {
    await bed.stop();
  });

  describe('that hangs', () => {
    it('fails a command at its deadline and refuses others immediately, until the late answer comes', async () => {
      const pool = await bed.openThroughWire({ commandTimeoutMs: 100 });
      bed.wire.silence();
      const startedAt = monotonicMs();
      expect(await errorOf(pool.level())).to.be.instanceOf(OutcomeUnknownError);
      expect(monotonicMs() - startedAt).to.be.within(95, 1_000);
      expect(pool.isConnected).to.equal(false);
      expect(await errorOfThisTurn(pool.level())).to.be.instanceOf(StoreUnavailableError);
      bed.wire.heal();
      await until('an answer', () => pool.isConnected);
      expect(await pool.level()).to.equal(0);
      expect(bed.wire.accepted).to.equal(1);
    });

    it('is sent what is published, also while it is late, and passes it on when it continues', async () => {
      const pool = await bed.openThroughWire({ commandTimeoutMs: 100 });
      const listener = bed.direct.duplicate();
      const received: string[] = [];
      listener.on('message', (_channel, message) => received.push(message));
      await listener.subscribe('keymill:invalidate');
      bed.wire.silence();
      expect(await errorOf(pool.level())).to.be.instanceOf(OutcomeUnknownError);
      expect(await errorOf(pool.publish('keymill:invalidate', 'a-key'))).to.be.instanceOf(
        OutcomeUnknownError,
      );
      bed.wire.heal();
      await until('the message', () => received.length === 1);
      listener.disconnect();
      expect(received).to.deep.equal(['a-key']);
    });

    it('hands keys that arrive after the deadline to the handler for late keys', async () => {
      await bed.direct.rpush('keys:available', ...KEYS);
      const late: string[][] = [];
      const pool = await bed.openThroughWire();
      const onLateKeys = (keys: string[]): void => void late.push(keys);
      bed.wire.silence();
      expect(await errorOf(pool.take(2, { timeoutMs: 50, onLateKeys }))).to.be.instanceOf(
        OutcomeUnknownError,
      );
      bed.wire.heal();
      await until('the late keys', () => late.length > 0);
      expect(late).to.deep.equal([['aaaaaaaa', 'bbbbbbbb']]);
    });

    it('puts late keys back to the head when there is no handler', async () => {
      await bed.direct.rpush('keys:available', ...KEYS);
      const pool = await bed.openThroughWire();
      bed.wire.delay(60);
      expect(await errorOf(pool.take(2, { timeoutMs: 50 }))).to.be.instanceOf(OutcomeUnknownError);
      await until('the take', async () => (await bed.direct.llen('keys:available')) === 1);
      await until(
        'the keys',
        async () => (await bed.direct.lrange('keys:available', 0, -1)).length === 3 && pool.isConnected,
      );
      expect(await bed.direct.lrange('keys:available', 0, -1)).to.deep.equal(KEYS);
    });

    it('is cut when it continues to hang, and replaced', async () => {
      const pool = await bed.openThroughWire({ commandTimeoutMs: 50, hangMs: 150 });
      bed.wire.silence();
      await errorOf(pool.level());
      await until('a second connection', () => bed.wire.accepted >= 2);
      bed.wire.heal();
      await until('an answer', () => pool.isConnected);
      expect(await pool.level()).to.equal(0);
    });

    it('is detected while no command is sent', async () => {
      const pool = await bed.openThroughWire({ commandTimeoutMs: 100 });
      bed.wire.silence();
      await until('the silence to be noticed', () => !pool.isConnected, { timeoutMs: 3_000 });
    });

    it('is detected behind a delivery with its long deadline', async () => {
      const pool = await bed.openThroughWire({ commandTimeoutMs: 100 });
      bed.wire.silence();
      const delivery = errorOf(pool.deliver({ keysDb: KEYS_DB, epoch: 1, seq: 1, keys: KEYS }));
      await until('the silence to be noticed', () => !pool.isConnected, { timeoutMs: 3_000 });
      bed.wire.cut();
      expect(await delivery).to.be.instanceOf(OutcomeUnknownError);
    });

    it('gets the late answers when a stopped server continues', async () => {
      const server = await stopAtEnd((await testServices()).startRedis({ id: 'redis-stopped' }));
      const late: string[][] = [];
      const pool = bed.open(server.url(), { commandTimeoutMs: 100 });
      const onLateKeys = (keys: string[]): void => void late.push(keys);
      await pool.whenConnected(5_000);
      await pool.deliver({ keysDb: KEYS_DB, epoch: 1, seq: 1, keys: KEYS });
      await server.pause();
      try {
        expect(await errorOf(pool.take(3, { onLateKeys }))).to.be.instanceOf(OutcomeUnknownError);
        expect(pool.isConnected).to.equal(false);
      } finally {
        await server.resume();
      }
      await until('the late keys', () => late.length > 0);
      expect(late).to.deep.equal([KEYS]);
      await until('an answer', () => pool.isConnected);
      await server.stop();
    });

    it('does not count as hung when this process has stalled', async () => {
      const pool = bed.open(bed.url, { commandTimeoutMs: 100 });
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
      const pool = bed.open(`redis://127.0.0.1:${port}`);
      expect(await pool.whenConnected(300)).to.equal(false);
      expect(await errorOf(pool.take(1))).to.be.instanceOf(StoreUnavailableError);
    });

    it('reports the reason: nothing listens, wrong password, no such database', async () => {
      const unused = await reserveAnyPort();
      unused.release();
      const wrongPassword = new URL(bed.url);
      wrongPassword.password = 'wrong';
      const noDatabase = new URL(bed.url);
      noDatabase.pathname = '/99999';
      for (const [target, reason] of [
        [`redis://127.0.0.1:${unused.port}`, 'ECONNREFUSED'],
        [wrongPassword.href, 'WRONGPASS'],
        [noDatabase.href, 'DB index is out of range'],
      ] as const) {
        const pool = bed.open(target);
        await until(`the reason ${reason}`, async () => String(await errorOf(pool.level())).includes(reason));
        expect(pool.isConnected).to.equal(false);
      }
    });

    // Needs a port that nothing listens on yet: a local process, also where the other servers are containers.
    it('connects by itself when the server comes up later', async () => {
      const reserved = await reserveAnyPort();
      reserved.release();
      const pool = bed.open(`redis://127.0.0.1:${reserved.port}`);
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
    // Puts a folder in the place of a file: a local process, also where the other servers are containers.
    it('is unavailable and names the reason: out of memory, read-only, disk', async () => {
      const server = await stopAtEnd(
        startRedis({
          id: 'redis-full',
          dir: join(testFolder(), 'full'),
          logFile: join(testFolder(), 'full.log'),
        }),
      );
      const pool = bed.open(`redis://127.0.0.1:${server.port}`);
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

        // With a directory in the place of the snapshot, saving fails, and then Redis refuses writes.
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

        // Nothing was written, and the connection is still in use.
        const reply = await pool.deliver({ keysDb: KEYS_DB, epoch: 1, seq: 1, keys: KEYS });
        expect(reply).to.deep.equal({ result: 'ok', epoch: 1, seq: 1, level: 3 });
      } finally {
        admin.disconnect();
        await server.stop();
      }
    });
  });
});
