import { expect } from 'chai';
import { KeySupply } from '../../../mapper/keys/key-supply.ts';
import type { UrlsServer } from '../../../mapper/urls/urls-server.ts';
import { monotonicMs } from '../../../runtime/clock.ts';
import { createLog } from '../../../runtime/log.ts';
import { openTestPools, type TestPool } from '../test-pools.ts';
import { randomKeys } from '../world.ts';

const SERVER = {} as UrlsServer;

describe('keys for many links', () => {
  let pools: TestPool[];
  let supply: KeySupply;
  let takes: string[];

  beforeEach(async () => {
    takes = [];
    pools = await openTestPools(3, { onTake: (name) => takes.push(name), now: monotonicMs });
    supply = new KeySupply({
      pools: pools.map(({ watched }) => watched),
      reserve: 8,
      keyLength: 8,
      serverAt: () => SERVER,
      findBound: async () => new Set(),
      onDropped: () => undefined,
      now: monotonicMs,
      log: createLog('test', 'draw-many', 'silent'),
    });
  });

  afterEach(async () => {
    await supply.close();
    for (const pool of pools) await pool[Symbol.asyncDispose]();
  });

  async function fill(counts: readonly number[]): Promise<void> {
    for (const [index, count] of counts.entries()) {
      if (count > 0) await pools[index]?.client.rpush('keys:available', ...randomKeys(count));
      await pools[index]?.watched.poll(500);
    }
  }

  async function draw(count: number): Promise<number> {
    const drawn = await supply.drawMany(count);
    for (const taken of drawn) supply.bound(taken);
    expect(new Set(drawn.map(({ key }) => key)).size).to.equal(drawn.length);
    return drawn.length;
  }

  it('come in one take from the fullest pool, if it has enough', async () => {
    await fill([100, 2_000, 500]);
    expect(await draw(512)).to.equal(512);
    expect(takes).to.deep.equal(['redis-2']);
  });

  it('come from several pools, one take each, and half of each stays for single links', async () => {
    await fill([100, 200, 60]);
    expect(await draw(512)).to.equal(180);
    expect(takes).to.deep.equal(['redis-2', 'redis-1', 'redis-3']);
  });

  it('leave the reserve of single links as it is', async () => {
    await fill([2_000, 0, 0]);
    supply.bound(await supply.draw());
    const { reserveSize } = supply;
    expect(await draw(500)).to.equal(500);
    expect(supply.reserveSize).to.equal(reserveSize);
  });

  it('are drawn to the last one, and then there is none', async () => {
    await fill([5, 0, 0]);
    let drawn = 0;
    for (let some = await draw(5); some > 0; some = await draw(5)) drawn += some;
    expect(drawn).to.equal(5);
    expect(await draw(5)).to.equal(0);
  });
});
