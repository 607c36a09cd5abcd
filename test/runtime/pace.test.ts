import { expect } from 'chai';
import { monotonicMs } from '../../runtime/clock.ts';
import { restAfter, Unhurried } from '../../runtime/pace.ts';
import { pause } from '../../runtime/retry.ts';
import { ranMs } from '../ran-ms.ts';

describe('work for which no caller waits', () => {
  it('rests four times as long as a piece took, 5 s at most', () => {
    expect(restAfter(3)).to.be.closeTo(12, 1e-9);
    expect(restAfter(60_000)).to.equal(5_000);
  });

  it('is done one piece at a time, with a rest after each, also after one that failed', async () => {
    const pace = new Unhurried(() => false, new AbortController().signal);
    const spans: { fromMs: number; toMs: number }[] = [];
    const piece = async (fails = false): Promise<void> =>
      pace.piece(async () => {
        const fromMs = monotonicMs();
        await pause(20);
        spans.push({ fromMs, toMs: monotonicMs() });
        if (fails) throw new Error('the store is away');
      });
    const outcomes = await Promise.allSettled([piece(), piece(true), piece()]);
    expect(outcomes.map(({ status }) => status)).to.deep.equal(['fulfilled', 'rejected', 'fulfilled']);
    for (const [i, { fromMs }] of spans.entries()) {
      const before = spans[i - 1];
      // A timer of the rest may be early by a millisecond.
      if (before) expect(fromMs - before.toMs).to.be.at.least(restAfter(before.toMs - before.fromMs) - 2);
    }
  });

  it('does not rest once a caller waits for it', async () => {
    let isHurried = false;
    const pace = new Unhurried(() => isHurried, new AbortController().signal);
    const piece = async (): Promise<void> => pace.piece(async () => pause(10));
    await piece();
    isHurried = true;
    // The first of these waits for the rest that has begun.
    const startedMs = ranMs();
    for (let i = 0; i < 20; i += 1) await piece();
    expect(ranMs() - startedMs).to.be.lessThan(20 * (10 + restAfter(10)) * 0.75);
  });

  it('ends on its signal, also during a rest', async () => {
    const stopping = new AbortController();
    const pace = new Unhurried(() => false, stopping.signal);
    await pace.piece(async () => pause(250));
    const startedMs = ranMs();
    const next = pace.piece(async () => 'done');
    stopping.abort(new Error('stopped'));
    const error: unknown = await next.catch((reason: unknown) => reason);
    expect(error).to.be.an('error').with.property('message', 'stopped');
    expect(ranMs() - startedMs).to.be.lessThan(500);
  });
});
