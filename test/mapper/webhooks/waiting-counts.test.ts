import { expect } from 'chai';
import type { Waiting } from '../../../db/outbox/outbox-db.ts';
import { MAX_WAITING, WaitingCounts } from '../../../mapper/webhooks/waiting-counts.ts';

/** Counts over a store that says `stored` each time. */
function create(stored: Waiting): { counts: WaitingCounts; asked: string[] } {
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
    const { counts, asked } = create({ clicks: 0, changes: MAX_WAITING.changes - 2 });
    const answers = [];
    for (let event = 0; event < 4; event += 1) answers.push(await counts.isFull('a', 'link.updated'));
    expect(answers).to.deep.equal([false, false, true, true]);
    expect(asked).to.deep.equal(['a']);
  });

  it('of clicks leave room for changes, however many they are', async () => {
    const { counts } = create({ clicks: MAX_WAITING.clicks, changes: 40_000 });
    expect(await counts.isFull('a', 'link.clicked')).to.equal(true);
    for (const event of ['link.created', 'link.updated', 'link.deleted', 'link.expired'])
      expect(await counts.isFull('a', event), event).to.equal(false);
  });

  it('of changes leave room for clicks', async () => {
    const { counts } = create({ clicks: 0, changes: MAX_WAITING.changes });
    expect(await counts.isFull('a', 'link.clicked')).to.equal(false);
  });

  it('of others are counted for themselves', async () => {
    const { counts, asked } = create(MAX_WAITING);
    const answers = [await counts.isFull('a', 'link.created'), await counts.isFull('b', 'link.created')];
    expect(answers).to.deep.equal([true, true]);
    expect(asked).to.deep.equal(['a', 'b']);
  });
});
