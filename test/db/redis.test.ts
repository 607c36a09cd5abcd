import { expect } from 'chai';
import * as fc from 'fast-check';
import { openRedis } from '../../db/redis/redis-client.ts';
import { OutcomeUnknownError, StoreUnavailableError } from '../../db/store-errors.ts';
import { ranMs } from '../ran-ms.ts';
import { until } from '../until.ts';
import { errorOf, errorOfThisTurn } from './outcome.ts';
import { log, RedisBed } from './redis-fixture.ts';
import { loseNextAnswer, loseRequest, startWire, through } from './wire.ts';

const KEYS_DB = 'keys-db-1';
const KEYS = ['aaaaaaaa', 'bbbbbbbb', 'cccccccc'];

describe('a connection to Redis', () => {
  let bed: RedisBed;

  beforeEach(async () => {
    bed = await RedisBed.start();
  });

  afterEach(async () => {
    await bed.stop();
  });

  describe('that is cut', () => {
    it('reports an unknown outcome for commands in flight, and never sends them again by itself', async () => {
      const pool = await bed.openThroughWire();
      await pool.raiseEpoch(KEYS_DB, 1);
      loseNextAnswer(bed.wire);
      expect(await errorOf(pool.deliver({ keysDb: KEYS_DB, epoch: 1, seq: 1, keys: KEYS }))).to.be.instanceOf(
        OutcomeUnknownError,
      );
      await until('a new connection', () => pool.isConnected);
      expect(await bed.direct.lrange('keys:available', 0, -1)).to.deep.equal(KEYS);
      const again = await pool.deliver({ keysDb: KEYS_DB, epoch: 1, seq: 1, keys: KEYS });
      expect(again).to.include({ result: 'duplicate', level: 3 });
    });

    it('takes no key a second time for a take whose answer was lost', async () => {
      await bed.direct.rpush('keys:available', ...KEYS);
      const pool = await bed.openThroughWire();
      loseNextAnswer(bed.wire);
      expect(await errorOf(pool.take(1))).to.be.instanceOf(OutcomeUnknownError);
      await until('a new connection', () => pool.isConnected);
      expect(await pool.level()).to.equal(2);
    });

    it('answers or fails every command in flight, also those of one burst', async () => {
      const pool = await bed.openThroughWire();
      const burst = await loseRequest(bed.wire, async () =>
        Promise.all(Array.from({ length: 100 }, async () => errorOf(pool.level()))),
      );
      for (const error of burst) expect(error).to.be.instanceOf(OutcomeUnknownError);
    });

    it('is back half a second after the server at the latest', async () => {
      const pool = await bed.openThroughWire();
      bed.wire.cut();
      await until('the loss', () => !pool.isConnected);
      const lostAt = ranMs();
      await until('a new connection', () => pool.isConnected);
      expect(ranMs() - lostAt).to.be.below(500);
    });

    it('delivers every part exactly once and in order for a producer that repeats, whatever is cut', async () => {
      const pool = await bed.openThroughWire();
      const cuts = {
        now: () => bed.wire.cut(),
        answer: () => loseNextAnswer(bed.wire),
        turn: () => setImmediate(() => bed.wire.cut()),
        soon: () => setTimeout(() => bed.wire.cut(), 1),
        none: () => undefined,
      };
      const kinds = fc.constantFrom(...(Object.keys(cuts) as (keyof typeof cuts)[]));
      const plan = fc.array(kinds, { minLength: 20, maxLength: 20 });
      const everyPartOnce = fc.asyncProperty(plan, async (steps) => {
        const expected: string[] = [];
        await bed.direct.flushdb();
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
        expect(await bed.direct.lrange('keys:available', 0, -1)).to.deep.equal(expected);
      });
      await fc.assert(everyPartOnce, { numRuns: 1, endOnFailure: true });
    });

    it('refuses commands immediately while it is away, and queues none', async () => {
      const pool = await bed.openThroughWire();
      const { port } = bed.wire;
      await bed.wire[Symbol.asyncDispose]();
      await until('the loss', () => !pool.isConnected);
      const delivery = pool.deliver({ keysDb: KEYS_DB, epoch: 1, seq: 1, keys: KEYS });
      const error = await errorOfThisTurn(delivery);
      expect(error).to.be.instanceOf(StoreUnavailableError);
      expect(String(error)).to.include('redis-1');
      bed.wire = await startWire(bed.url, port);
      await until('a new connection', () => pool.isConnected);
      expect(await bed.direct.exists('keys:available')).to.equal(0);
    });
  });

  describe('that is closed', () => {
    it('answers or fails commands in flight, and refuses all later ones', async () => {
      const pool = await bed.openThroughWire();
      bed.wire.silence();
      const inFlight = errorOf(pool.level());
      await pool[Symbol.asyncDispose]();
      expect(await inFlight).to.be.instanceOf(OutcomeUnknownError);
      expect(await errorOf(pool.level())).to.be.instanceOf(StoreUnavailableError);
    });

    it('can be closed while it connects', async () => {
      bed.wire.silence();
      const pool = bed.open(through(bed.wire, bed.url));
      await until('the attempt', () => bed.wire.accepted > 0);
      const startedAt = ranMs();
      await pool[Symbol.asyncDispose]();
      expect(ranMs() - startedAt).to.be.below(500);
    });

    it('can be closed twice', async () => {
      const pool = await bed.openThroughWire();
      await pool[Symbol.asyncDispose]();
      await pool[Symbol.asyncDispose]();
    });
  });

  it('refuses commands above the limit in flight', async () => {
    await using client = openRedis(through(bed.wire, bed.url), { name: 'redis-1', log });
    expect(await client.whenConnected(2_000)).to.equal(true);
    bed.wire.silence();
    const flood = Array.from({ length: 10_001 }, async () =>
      errorOf(client.command('LLEN', ['keys:available'])),
    );
    expect(await flood[10_000]).to.be.instanceOf(StoreUnavailableError);
    bed.wire.cut();
    await Promise.all(flood);
  });
});
