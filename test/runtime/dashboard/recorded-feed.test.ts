import { expect } from 'chai';
import { until } from '../../until.ts';
import { expectLastOfEach, SIZES } from './large-cluster.ts';
import { openPage } from './open-page.ts';
import { startPlayed } from './played-dashboard.ts';

/** The two minutes take some seconds. */
const SPEED = 20;
const LAST = `producer-${SIZES.producers}`;

const held = (by: string): RegExp => new RegExp(`data-title="Holder"[^]*</span> ${by}</span`);

describe('a dashboard that is fed by the recording of a large cluster', function () {
  this.timeout(60_000);

  it('shows what happened to it, in its order', async () => {
    await using admin = await startPlayed({ speed: SPEED });
    await using page = await openPage(admin.url);
    const shows = async (what: string, block: string, text: RegExp): Promise<true> =>
      until(what, () => text.test(page.textOf(block)) || undefined);
    await shows('everything', 'alarms', /All is well/);
    expectLastOfEach(page);
    expect(page.textOf('shards-keys-db-20')).to.match(held(LAST));

    await shows('its shard at another one', 'shards-keys-db-20', held('producer-1'));
    await shows('the stopped pool', `pools-redis-${SIZES.pools}`, /no answer/);
    await until('the pool again', () => !page.textOf(`pools-redis-${SIZES.pools}`).includes('no answer'));
    await shows('the producer that is back', 'shards-keys-db-20', held(LAST));
    await shows('the drained producer', 'producers-producer-7', /drained/);
    await shows('the silent mapper', 'alarms', /mapper-5/);
    await shows('that all is well', 'alarms', /All is well/);
    const said = page.news.join('\n');
    for (const part of ['keys-db-20', 'keys-db-40', 'keys-db-60', `redis-${SIZES.pools}`])
      expect(said, part).to.include(part);
  });
});
