import { expect } from 'chai';
import { AnswerDeadline, extensionMs, type PassedDeadline } from '../../runtime/answer-deadline.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import { withDeadline } from '../../runtime/retry.ts';
import { block } from '../block.ts';

describe('the deadline of an answer', () => {
  const cases: readonly (readonly [what: string, passed: PassedDeadline, moreMs: number])[] = [
    ['noticed in time: a timeout', { timeoutMs: 750, lateMs: 0, extensions: 0 }, 0],
    ['noticed a little late, as every timer is', { timeoutMs: 750, lateMs: 9, extensions: 0 }, 0],
    ['noticed late: the lost time again', { timeoutMs: 750, lateMs: 40, extensions: 0 }, 40],
    ['noticed very late: the whole time again', { timeoutMs: 750, lateMs: 2_000, extensions: 0 }, 750],
    ['noticed late again', { timeoutMs: 20, lateMs: 15, extensions: 2 }, 15],
    ['noticed late too often: a timeout', { timeoutMs: 20, lateMs: 15, extensions: 3 }, 0],
  ];
  for (const [what, passed, moreMs] of cases)
    it(`${what}: ${JSON.stringify(passed)} → ${moreMs} ms more`, () => {
      expect(extensionMs(passed)).to.equal(moreMs);
    });

  it('passes after its time, and not when it was cleared', async () => {
    const startedMs = monotonicMs();
    let hasPassed = false;
    new AnswerDeadline(5, () => (hasPassed = true)).clear();
    await new Promise<void>((resolve) => new AnswerDeadline(30, resolve));
    expect(monotonicMs() - startedMs).to.be.at.least(29);
    expect(hasPassed).to.equal(false);
  });

  it('does not pass while the event loop was blocked and the answer needs two more turns', async () => {
    const late = withDeadline('a store', 50, async () => {
      await new Promise((resolve) => setTimeout(resolve, 60));
      await new Promise((resolve) => setTimeout(resolve, 20));
      return 'answered';
    });
    block(500);
    expect(await late).to.equal('answered');
  });

  it('counts from the moment at which it was set, not from the beginning of the turn', async () => {
    block(100);
    const startedMs = monotonicMs();
    await new Promise<void>((resolve) => new AnswerDeadline(50, resolve));
    expect(monotonicMs() - startedMs).to.be.at.least(49);
  });
});
