import { expect } from 'chai';
import { Feed } from '../../../runtime/dashboard/feed.ts';
import type { Seen } from '../../../runtime/dashboard/seen.ts';
import { Timeline } from '../../../runtime/dashboard/timeline.ts';
import { EMPTY_CLUSTER } from './empty-cluster.ts';

const AWAY = 'the session is suspended';

/** What a viewer finds in the timeline when ZooKeeper was seen like that, one look after the other. */
async function kindsOf(...looks: [ensemble: string | null, problem: string | null][]): Promise<string[]> {
  const { promise: opened, resolve } = Promise.withResolvers<(part: Seen) => void>();
  const timeline = new Timeline();
  await using feed = new Feed({
    timeline,
    sources: [
      (tell) => {
        resolve(tell);
        return { first: Promise.resolve(), [Symbol.asyncDispose]: async () => undefined };
      },
    ],
  });
  using _ = feed.look();
  const tell = await opened;
  for (const [ensemble, problem] of looks) tell({ cluster: { ...EMPTY_CLUSTER, ensemble, problem } });
  return timeline.all().map(({ kind }) => kind);
}

describe('what a dashboard tells of ZooKeeper', () => {
  it('that it was wiped, and adopted', async () => {
    expect(await kindsOf(['a', null], [null, null], ['b', null])).to.deep.equal(['wiped', 'adopted']);
  });

  it('that it was wiped while it did not answer', async () => {
    const kinds = await kindsOf(['a', null], ['a', AWAY], [null, null]);
    expect(kinds).to.have.members(['away', 'wiped', 'back']);
  });

  it('that it was wiped and adopted while it did not answer', async () => {
    expect(await kindsOf(['a', null], ['a', AWAY], ['b', null])).to.have.members(['away', 'adopted', 'back']);
  });

  it('that it was adopted while it did not answer', async () => {
    const kinds = await kindsOf(['a', null], [null, null], [null, AWAY], ['b', null]);
    expect(kinds).to.have.members(['wiped', 'away', 'adopted', 'back']);
  });

  it('nothing about an id that was not read before', async () => {
    expect(await kindsOf([null, AWAY], ['a', null])).to.deep.equal(['back']);
    expect(await kindsOf(['a', null], ['a', AWAY], ['a', null])).to.have.members(['away', 'back']);
  });
});
