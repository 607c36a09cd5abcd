import { expect } from 'chai';
import * as fc from 'fast-check';
import { Redis } from 'ioredis';
import { openPool, type Pool } from '../../db/redis/pool.ts';
import { createLog } from '../../runtime/log.ts';
import { testRedis } from '../servers.ts';

const log = createLog('test', 'pool', 'silent');
const KEYS_DB = 'keys-db-1';

/** `count` distinct keys of 8 characters. */
function keysFrom(first: number, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `k${String(first + index).padStart(7, '0')}`);
}

describe('a pool', () => {
  let pool: Pool;
  let redis: Redis;

  beforeEach(async () => {
    const [server] = await testRedis();
    if (server === undefined) throw new Error('no test Redis');
    redis = new Redis(server.url);
    pool = openPool({ ...server, log });
    expect(await pool.whenConnected(5_000)).to.equal(true);
  });

  afterEach(async () => {
    await pool[Symbol.asyncDispose]();
    redis.disconnect();
  });

  async function content(): Promise<string[]> {
    return redis.lrange('keys:available', 0, -1);
  }

  describe('deliver', () => {
    it('appends the parts of a reign in order and returns the level', async () => {
      await pool.raiseEpoch(KEYS_DB, 1);
      const first = await pool.deliver({ keysDb: KEYS_DB, epoch: 1, seq: 1, keys: keysFrom(0, 3) });
      expect(first).to.deep.equal({ result: 'ok', epoch: 1, seq: 1, level: 3 });
      const second = await pool.deliver({ keysDb: KEYS_DB, epoch: 1, seq: 2, keys: keysFrom(3, 2) });
      expect(second).to.deep.equal({ result: 'ok', epoch: 1, seq: 2, level: 5 });
      expect(await content()).to.deep.equal(keysFrom(0, 5));
    });

    it('writes nothing for a part that it has already', async () => {
      await pool.deliver({ keysDb: KEYS_DB, epoch: 1, seq: 1, keys: keysFrom(0, 3) });
      await pool.deliver({ keysDb: KEYS_DB, epoch: 1, seq: 2, keys: keysFrom(3, 3) });
      const again = await pool.deliver({ keysDb: KEYS_DB, epoch: 1, seq: 1, keys: keysFrom(0, 3) });
      expect(again).to.deep.equal({ result: 'duplicate', epoch: 1, seq: 2, level: 6 });
      expect(await content()).to.deep.equal(keysFrom(0, 6));
    });

    it('refuses a part that is not the next, and returns its seq', async () => {
      await pool.deliver({ keysDb: KEYS_DB, epoch: 1, seq: 1, keys: keysFrom(0, 3) });
      const early = await pool.deliver({ keysDb: KEYS_DB, epoch: 1, seq: 3, keys: keysFrom(6, 3) });
      expect(early).to.deep.equal({ result: 'gap', epoch: 1, seq: 1, level: 3 });
      expect(await content()).to.deep.equal(keysFrom(0, 3));
    });

    it('refuses the epoch of an older reign, with any seq', async () => {
      await pool.raiseEpoch(KEYS_DB, 7);
      await pool.deliver({ keysDb: KEYS_DB, epoch: 7, seq: 1, keys: keysFrom(0, 1) });
      for (const seq of [1, 2, 3]) {
        const zombie = await pool.deliver({ keysDb: KEYS_DB, epoch: 6, seq, keys: keysFrom(10, 5) });
        expect(zombie).to.deep.equal({ result: 'fenced', epoch: 7, seq: 1, level: 1 });
      }
      expect(await content()).to.deep.equal(keysFrom(0, 1));
    });

    it('accepts a reign that was not announced, and then refuses the one before', async () => {
      await pool.raiseEpoch(KEYS_DB, 1);
      expect(
        (await pool.deliver({ keysDb: KEYS_DB, epoch: 2, seq: 1, keys: keysFrom(0, 1) })).result,
      ).to.equal('ok');
      expect(
        (await pool.deliver({ keysDb: KEYS_DB, epoch: 1, seq: 2, keys: keysFrom(1, 1) })).result,
      ).to.equal('fenced');
    });

    it('counts an empty part', async () => {
      const reply = await pool.deliver({ keysDb: KEYS_DB, epoch: 1, seq: 1, keys: [] });
      expect(reply).to.deep.equal({ result: 'ok', epoch: 1, seq: 1, level: 0 });
      expect(await redis.exists('keys:available')).to.equal(0);
    });

    it('keeps the keys-dbs apart', async () => {
      await pool.deliver({ keysDb: 'keys-db-1', epoch: 5, seq: 1, keys: keysFrom(0, 1) });
      const other = await pool.deliver({ keysDb: 'keys-db-2', epoch: 1, seq: 1, keys: keysFrom(1, 1) });
      expect(other).to.deep.equal({ result: 'ok', epoch: 1, seq: 1, level: 2 });
    });

    it('accepts parts larger than Lua can unpack, in order', async () => {
      const keys = keysFrom(0, 50_000);
      const reply = await pool.deliver({ keysDb: KEYS_DB, epoch: 1, seq: 1, keys });
      expect(reply.level).to.equal(50_000);
      expect(await content()).to.deep.equal(keys);
    });

    for (const count of [6_999, 7_000, 7_001, 14_000]) {
      it(`takes exactly ${count} keys, at the edge of a chunk`, async () => {
        const keys = keysFrom(0, count);
        await pool.deliver({ keysDb: KEYS_DB, epoch: 1, seq: 1, keys });
        expect(await content()).to.deep.equal(keys);
      });
    }

    it('refuses keys of different lengths before sending anything', async () => {
      const mixed = pool.deliver({ keysDb: KEYS_DB, epoch: 1, seq: 1, keys: ['abcdefgh', 'abc'] });
      expect(await mixed.catch((error: unknown) => error)).to.be.instanceOf(RangeError);
      expect((await pool.producerState(KEYS_DB)).seq).to.equal(0);
    });

    it('continues after the server has lost all scripts', async () => {
      await redis.script('FLUSH', 'SYNC');
      expect(
        (await pool.deliver({ keysDb: KEYS_DB, epoch: 1, seq: 1, keys: keysFrom(0, 2) })).level,
      ).to.equal(2);
      await redis.script('FLUSH', 'SYNC');
      expect((await pool.take(5)).keys).to.deep.equal(keysFrom(0, 2));
    });

    it('agrees with its model for any sequence of deliveries, raises and skips', async () => {
      const epoch = fc.integer({ min: 1, max: 4 });
      const seq = fc.integer({ min: 1, max: 6 });
      const step = fc.oneof(
        {
          weight: 5,
          arbitrary: fc.record({
            type: fc.constant('deliver' as const),
            epoch,
            seq,
            size: fc.integer({ min: 0, max: 4 }),
          }),
        },
        { weight: 1, arbitrary: fc.record({ type: fc.constant('raise' as const), epoch }) },
        {
          weight: 1,
          arbitrary: fc.record({ type: fc.constant('skip' as const), epoch, from: seq, to: seq }),
        },
      );
      let run = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
          await redis.del('keys:available');
          const keysDb = `keys-db-model-${run++}`;
          const model = { epoch: 0, seq: 0, list: [] as string[] };
          let nextKey = 0;
          for (const action of steps) {
            const fenced = action.epoch < model.epoch;
            if (action.type === 'raise') {
              const reply = await pool.raiseEpoch(keysDb, action.epoch);
              if (!fenced) model.epoch = action.epoch;
              expect(reply).to.include({
                result: fenced ? 'fenced' : 'ok',
                epoch: model.epoch,
                seq: model.seq,
              });
            } else if (action.type === 'skip') {
              const moves = !fenced && action.from === model.seq && action.to >= action.from;
              const skip = { keysDb, epoch: action.epoch, fromSeq: action.from, toSeq: action.to };
              expect(await pool.skipTo(skip)).to.equal(moves);
              if (moves) Object.assign(model, { epoch: action.epoch, seq: action.to });
            } else {
              const keys = keysFrom(nextKey, action.size);
              nextKey += action.size;
              let result = 'ok';
              if (fenced) result = 'fenced';
              else if (action.seq <= model.seq) result = 'duplicate';
              else if (action.seq !== model.seq + 1) result = 'gap';
              if (result === 'ok') {
                Object.assign(model, { epoch: action.epoch, seq: action.seq });
                model.list.push(...keys);
              }
              const reply = await pool.deliver({ keysDb, epoch: action.epoch, seq: action.seq, keys });
              expect(reply).to.deep.equal({
                result,
                epoch: model.epoch,
                seq: model.seq,
                level: model.list.length,
              });
            }
          }
          expect(await content()).to.deep.equal(model.list);
        }),
        { numRuns: 60 },
      );
    });
  });

  describe('raiseEpoch', () => {
    it('never lowers the epoch, and returns the newest one', async () => {
      expect((await pool.raiseEpoch(KEYS_DB, 4)).result).to.equal('ok');
      expect(await pool.raiseEpoch(KEYS_DB, 3)).to.include({ result: 'fenced', epoch: 4 });
      expect(await pool.raiseEpoch(KEYS_DB, 4)).to.include({ result: 'ok', epoch: 4 });
    });

    it('reads the last accepted seq', async () => {
      await pool.deliver({ keysDb: KEYS_DB, epoch: 1, seq: 1, keys: keysFrom(0, 4) });
      expect(await pool.raiseEpoch(KEYS_DB, 2)).to.include({ epoch: 2, seq: 1, level: 4 });
    });

    it('gives the Redis an incarnation once, which survives every later reign', async () => {
      expect((await pool.producerState(KEYS_DB)).incarnation).to.equal(undefined);
      const { incarnation } = await pool.raiseEpoch(KEYS_DB, 1);
      expect(incarnation).to.match(/^[0-9a-f]{16}$/);
      expect((await pool.raiseEpoch('keys-db-2', 9)).incarnation).to.equal(incarnation);
      expect(await pool.producerState(KEYS_DB)).to.deep.equal({ epoch: 1, seq: 0, incarnation });
    });
  });

  describe('after a loss of its data', () => {
    it('shows another incarnation and a gap down to 0', async () => {
      const before = await pool.raiseEpoch(KEYS_DB, 3);
      for (const seq of [1, 2])
        await pool.deliver({ keysDb: KEYS_DB, epoch: 3, seq, keys: keysFrom(seq * 10, 5) });
      await redis.flushdb();
      const reply = await pool.deliver({ keysDb: KEYS_DB, epoch: 3, seq: 3, keys: keysFrom(30, 5) });
      expect(reply).to.deep.equal({ result: 'gap', epoch: 0, seq: 0, level: 0 });
      expect((await pool.producerState(KEYS_DB)).incarnation).to.equal(undefined);
      expect((await pool.raiseEpoch(KEYS_DB, 3)).incarnation).to.not.equal(before.incarnation);
    });

    it('continues after the lost parts have been skipped', async () => {
      expect(await pool.skipTo({ keysDb: KEYS_DB, epoch: 3, fromSeq: 0, toSeq: 2 })).to.equal(true);
      const reply = await pool.deliver({ keysDb: KEYS_DB, epoch: 3, seq: 3, keys: keysFrom(30, 5) });
      expect(reply).to.deep.equal({ result: 'ok', epoch: 3, seq: 3, level: 5 });
      expect((await pool.producerState(KEYS_DB)).incarnation).to.match(/^[0-9a-f]{16}$/);
    });

    it('does not skip for an older reign, or from another seq', async () => {
      await pool.raiseEpoch(KEYS_DB, 3);
      expect(await pool.skipTo({ keysDb: KEYS_DB, epoch: 2, fromSeq: 0, toSeq: 2 })).to.equal(false);
      expect(await pool.skipTo({ keysDb: KEYS_DB, epoch: 3, fromSeq: 1, toSeq: 2 })).to.equal(false);
      expect((await pool.producerState(KEYS_DB)).seq).to.equal(0);
    });
  });

  describe('take', () => {
    it('takes from the head and returns the level', async () => {
      await pool.deliver({ keysDb: KEYS_DB, epoch: 1, seq: 1, keys: keysFrom(0, 5) });
      expect(await pool.take(2)).to.deep.equal({ keys: keysFrom(0, 2), level: 3 });
      expect(await pool.take(9)).to.deep.equal({ keys: keysFrom(2, 3), level: 0 });
    });

    it('takes nothing from an empty pool', async () => {
      expect(await pool.take(64)).to.deep.equal({ keys: [], level: 0 });
      expect(await pool.level()).to.equal(0);
    });

    it('gives no key to two of many concurrent takes', async () => {
      await pool.deliver({ keysDb: KEYS_DB, epoch: 1, seq: 1, keys: keysFrom(0, 5_000) });
      const takes = await Promise.all(Array.from({ length: 60 }, async (_, index) => pool.take(index + 50)));
      const taken = takes.flatMap(({ keys }) => keys);
      expect(new Set(taken).size).to.equal(taken.length);
      expect(taken.length + (await pool.level())).to.equal(5_000);
    });
  });

  describe('putBack', () => {
    it('returns keys to the head, the first one first', async () => {
      await pool.deliver({ keysDb: KEYS_DB, epoch: 1, seq: 1, keys: keysFrom(0, 5) });
      const { keys } = await pool.take(3);
      expect(await pool.putBack(keys)).to.equal(5);
      expect(await content()).to.deep.equal(keysFrom(0, 5));
    });

    it('accepts more keys than Lua can unpack, and none', async () => {
      const keys = keysFrom(0, 20_001);
      expect(await pool.putBack(keys)).to.equal(20_001);
      expect(await content()).to.deep.equal(keys);
      expect(await pool.putBack([])).to.equal(20_001);
    });
  });

  describe('page', () => {
    it('counts from the tail and ends at the head', async () => {
      await pool.deliver({ keysDb: KEYS_DB, epoch: 1, seq: 1, keys: keysFrom(0, 10) });
      expect(await pool.page(0, 4)).to.deep.equal(keysFrom(6, 4));
      expect(await pool.page(4, 4)).to.deep.equal(keysFrom(2, 4));
      expect(await pool.page(8, 4)).to.deep.equal(keysFrom(0, 2));
      expect(await pool.page(12, 4)).to.deep.equal([]);
    });

    it('misses no key that stays, during takes and deliveries', async () => {
      await pool.deliver({ keysDb: KEYS_DB, epoch: 1, seq: 1, keys: keysFrom(0, 2_000) });
      const seen = new Set<string>();
      let seq = 1;
      for (let at = 0; ; at += 100) {
        const page = await pool.page(at, 100);
        if (page.length === 0) break;
        for (const key of page) seen.add(key);
        await pool.take(30);
        if (at % 300 === 0)
          await pool.deliver({ keysDb: KEYS_DB, epoch: 1, seq: ++seq, keys: keysFrom(seq * 10_000, 20) });
      }
      const missed = (await content()).filter((key) => key < 'k0010000' && !seen.has(key));
      expect(missed).to.deep.equal([]);
    });
  });
});
