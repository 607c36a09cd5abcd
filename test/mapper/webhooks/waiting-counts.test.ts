import { expect } from 'chai';
import { MAX_WAITING, WaitingCounts } from '../../../mapper/webhooks/waiting-counts.ts';

/** Counts over a store that says `stored` each time. */
function create(stored: number): { counts: WaitingCounts; asked: string[] } {
  const asked: string[] = [];
  const counts = new WaitingCounts({
    countWaiting: async (webhookId) => {
      asked.push(webhookId);
      return stored;
    },
  });
  return { counts, asked };
}

describe('the events that wait for a webhook', () => {
  it('are counted once in a while, and what is added in between', async () => {
    const { counts, asked } = create(MAX_WAITING - 2);
    const answers = [];
    for (let event = 0; event < 4; event += 1) answers.push(await counts.isFull('a'));
    expect(answers).to.deep.equal([false, false, true, true]);
    expect(asked).to.deep.equal(['a']);
  });

  it('of others are counted for themselves', async () => {
    const { counts, asked } = create(MAX_WAITING);
    expect([await counts.isFull('a'), await counts.isFull('b')]).to.deep.equal([true, true]);
    expect(asked).to.deep.equal(['a', 'b']);
  });
});
