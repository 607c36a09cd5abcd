import { expect } from 'chai';
import { Bell } from '../../producer/bell.ts';
import { keepGenerated, nextKeys } from '../../producer/reign/generator.ts';
import { Stock } from '../../producer/reign/stock.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import { log, reigning, type TestKeysDb } from '../db/keys-db-fixture.ts';
import { until } from '../until.ts';

describe('the generator', () => {
  const usual = { low: 50_000, count: 100_000 };
  for (const { limits = usual, unused, count, isUrgent } of [
    { unused: 0, count: 100_000, isUrgent: true },
    { unused: 49_999, count: 100_000, isUrgent: true },
    { unused: 50_000, count: 2_000, isUrgent: false },
    { unused: 148_000, count: 2_000, isUrgent: false },
    { unused: 148_001, count: 0, isUrgent: false },
    { unused: 9_000_000, count: 0, isUrgent: false },
    { limits: { low: 1, count: 1 }, unused: 0, count: 1, isUrgent: true },
    { limits: { low: 1, count: 1 }, unused: 1, count: 1, isUrgent: false },
    { limits: { low: 1, count: 1 }, unused: 2, count: 0, isUrgent: false },
  ])
    it(`with ${unused} unused keys of ${limits.low} + ${limits.count}: ${count} more, ${isUrgent ? 'urgent' : 'in a small step'}`, () => {
      expect(nextKeys(unused, limits)).to.deep.equal({ count, isUrgent });
    });

  interface Call {
    readonly count: number;
    readonly fromMs: number;
    readonly toMs: number;
  }

  async function watch(
    test: TestKeysDb,
    check: (calls: readonly Call[], unused: () => number) => Promise<void>,
  ): Promise<void> {
    const calls: Call[] = [];
    const generate = test.db.generate.bind(test.db);
    test.db.generate = async (request) => {
      const fromMs = monotonicMs();
      const generatedTo = await generate(request);
      calls.push({ count: request.count, fromMs, toMs: monotonicMs() });
      return generatedTo;
    };
    const stopping = new AbortController();
    let unused = 0;
    const running = keepGenerated(
      {
        keysDb: test.db,
        epoch: 1,
        gate: { mayWrite: () => true },
        stock: new Stock({ low: 5_000, count: 10_000 }),
        log,
        exhausted: new Bell(),
        onUnused: (now) => (unused = now),
      },
      stopping.signal,
    );
    try {
      await check(calls, () => unused);
    } finally {
      stopping.abort();
      await running;
    }
  }

  it('replaces used keys in small steps, in a fifth of its time', async () => {
    await using test = await reigning(6_900);
    await watch(test, async (calls, unused) => {
      await until('the stock', () => unused() > 14_000);
      expect(calls.map(({ count }) => count)).to.deep.equal([2_000, 2_000, 2_000, 2_000]);
      calls.slice(1).forEach(({ fromMs }, index) => {
        const before = calls[index] as Call;
        const tookMs = before.toMs - before.fromMs;
        // A timer may be a millisecond early.
        expect(fromMs - before.toMs).to.be.at.least(Math.min(5_000, 4 * tookMs) - 2);
      });
    });
  });

  it('generates without pauses when few are left', async () => {
    await using test = await reigning(0);
    await watch(test, async (calls, unused) => {
      await until('the stock', () => unused() > 13_000);
      expect(calls.map(({ count }) => count)).to.deep.equal([10_000, 2_000, 2_000]);
    });
  });
});
