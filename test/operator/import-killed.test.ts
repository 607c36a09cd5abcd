import { expect } from 'chai';
import { LINKS_IN_BATCH } from '../../mapper/import-jobs/batches.ts';
import { IS_LONG } from '../long.ts';
import { createImportWorld, manyLinks, type ImportWorld } from './import-world.ts';

const RECORDS = IS_LONG ? 1_000_000 : 20_000;
const KILLS = 5;
/** A pool is refilled by producers, which these tests do not have. */
const KEYS = RECORDS;

describe('keymill import: killed and started again', () => {
  let once: ImportWorld;
  let killed: ImportWorld;
  before(async function () {
    this.timeout(600_000);
    [once, killed] = await Promise.all([createImportWorld({ keys: 0 }), createImportWorld({ keys: 0 })]);
    for (const { world } of [once, killed]) for (const shard of [0, 1]) await fill(world, shard);
  });
  after(async () => Promise.all([once[Symbol.asyncDispose](), killed[Symbol.asyncDispose]()]));

  async function fill(world: ImportWorld['world'], shard: number): Promise<void> {
    for (let filled = 0; filled < KEYS; filled += 10_000) await world.fill(shard, Math.min(10_000, KEYS));
  }

  it(`makes the same links of ${RECORDS} records as one run, none twice`, async function () {
    this.timeout(3_600_000);
    const file = manyLinks(RECORDS);
    const owner = ['--owner', 'owner@example.org'];
    for (const world of [once, killed]) await world.addUser('owner@example.org');
    expect(await once.importApart([await once.write('links.csv', file), ...owner]), 'some are bad').to.equal(
      1,
    );
    const args = [await killed.write('links.csv', file), ...owner];
    const batches = RECORDS / LINKS_IN_BATCH;
    for (let kill = 1; kill <= KILLS; kill += 1)
      expect(await killed.importApart(args, Math.floor((kill * batches) / (KILLS + 1)))).to.equal(null);
    expect(await killed.importApart(args)).to.equal(1);
    const [links, others] = await Promise.all([once.links(), killed.links()]);
    expect(links).to.have.length(RECORDS - Math.floor(RECORDS / 100));
    expect(others.length).to.equal(links.length);
    const differing = others.findIndex((link, i) => JSON.stringify(link) !== JSON.stringify(links[i]));
    expect(differing === -1 ? undefined : [others[differing], links[differing]]).to.equal(undefined);
    for (const table of ['owned', 'link_tags', 'click_totals'])
      expect(await countOf(killed, table), table).to.equal(await countOf(once, table));
  });
});

async function countOf(world: ImportWorld, table: string): Promise<number> {
  const rows = await world.query<{ n: number }>(`SELECT COUNT(*) AS n FROM ${table}`);
  return rows.reduce((sum, { n }) => sum + n, 0);
}
