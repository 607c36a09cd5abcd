import { expect } from 'chai';
import { openMysql, type Mysql } from '../../db/mysql/mysql.ts';
import { changeRules } from '../../db/own-links/rule-change.ts';
import { StoreUnavailableError } from '../../db/store-errors.ts';
import { changeOne } from '../../mapper/links/change-one.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import { until } from '../until.ts';
import {
  createOwnLinksWorld,
  changedLink,
  newOwner,
  openOwnLinks,
  ownedRow,
  type OwnLinksWorld,
} from './own-links-fixture.ts';

describe('the visits that a link has left', () => {
  let world: OwnLinksWorld;
  const servers: Mysql[] = [];
  const owner = newOwner();

  before(async () => {
    world = await createOwnLinksWorld();
    for (const { url, db } of world.servers) servers.push(openMysql(url, { name: db.name, connections: 8 }));
  });

  after(async () => {
    await Promise.all(servers.map(async (sql) => sql.close()));
    await world[Symbol.asyncDispose]();
  });

  async function make(maxVisits?: number): Promise<string> {
    const row = ownedRow(owner, maxVisits === undefined ? {} : { rules: { maxVisits } });
    await world.make(row);
    return row.key;
  }

  /** Uses up `count` visits, as a redirect does. @returns whether there were so many */
  async function visit(key: string, count = 1): Promise<boolean> {
    const at = world.servers.findIndex(({ db }) => db === world.dbOf(key));
    const { affectedRows } = await (servers[at] as Mysql).execute(
      'UPDATE urls SET visits_left = visits_left - ? WHERE unique_id = ? AND visits_left >= ?',
      [count, key, count],
    );
    return affectedRows === 1;
  }

  /** Some that visit until they are stopped. `stop` says how many visits there were. */
  function startVisitors(key: string): { stop: () => Promise<number> } {
    const stopping = new AbortController();
    const { signal } = stopping;
    const all = Array.from({ length: 6 }, async () => {
      let visits = 0;
      while (!signal.aborted) if (await visit(key)) visits += 1;
      return visits;
    });
    return {
      stop: async () => {
        stopping.abort();
        return (await Promise.all(all)).reduce((sum, visits) => sum + visits, 0);
      },
    };
  }

  async function setMax(key: string, maxVisits: number | null, links = world.links): Promise<number | null> {
    return changedLink(await links.change(owner, key, { maxVisits })).visitsLeft;
  }

  async function leftOf(key: string): Promise<number | null | undefined> {
    return (await world.links.find(owner, key))?.visitsLeft;
  }

  it('are all of them in a new link; an import says how many', async () => {
    expect(await leftOf(await make(5))).to.equal(5);
    expect(await leftOf(await make())).to.equal(null);
    const used = ownedRow(owner, { rules: { maxVisits: 5 }, visitsLeft: 0 });
    await world.make(used);
    expect(await leftOf(used.key)).to.equal(0);
  });

  it('change by the difference, begin with all, and end with the limit', async () => {
    const key = await make(10);
    await visit(key, 8);
    const steps: readonly (readonly [number | null, number | null])[] = [
      [12, 4],
      [9, 1],
      [8, 0],
      [null, null],
      [3, 3],
      [1_000_000, 1_000_000],
    ];
    for (const [max, left] of steps) expect(await setMax(key, max), String(max)).to.equal(left);
  });

  it('are not given again after a limit that came too late', async () => {
    const key = await make(10);
    await visit(key, 8);
    expect(await setMax(key, 5)).to.equal(0);
    expect(changedLink(await world.links.change(owner, key, { title: 'x' })).rules).to.include({
      maxVisits: 5,
    });
    expect(await setMax(key, 4)).to.equal(0);
    expect(await setMax(key, 7)).to.equal(0);
    expect(await setMax(key, 11)).to.equal(3);
    expect(changedLink(await world.links.change(owner, key, { title: 'y' })).rules).to.deep.equal({
      maxVisits: 11,
    });
    expect(await setMax(key, 7)).to.equal(0);
    expect(await setMax(key, null)).to.equal(null);
    const plain = await world.links.find(owner, key);
    expect([plain?.rules, plain?.longUrl]).to.deep.equal([{}, `https://example.com/${key}`]);
    expect(await setMax(key, 2)).to.equal(2);
  });

  it('are reckoned when the link cannot be read after its change', async () => {
    const key = await make(10);
    await visit(key, 8);
    const db = world.dbOf(key);
    for (const [at, maxVisits] of [12, 5, 7, 11, null, 3].entries()) {
      const found = (await db.find(key)) ?? expect.fail();
      const rules = changeRules(found.rules, { maxVisits });
      const changed = await changeOne<never>({
        db: {
          name: db.name,
          find: async () => Promise.reject(new StoreUnavailableError(db.name, 'it went away')),
          change: async (change) => db.change(change),
        },
        key,
        found,
        changeId: String(at).padStart(32, '0'),
        decide: () => ({ change: { kind: 'edit', state: { ...found, rules } } }),
        now: monotonicMs,
      });
      if ('refusal' in changed) throw new Error('refused');
      expect(changed.link.visitsLeft, String(maxVisits)).to.equal(await leftOf(key));
    }
  });

  it('add up with the visits that happened, under 200 changes by two mappers at the same time as visits', async function () {
    this.timeout(60_000);
    const key = await make(500);
    const others = openOwnLinks(world.servers);
    const visitors = startVisitors(key);
    const changes = await Promise.allSettled(
      Array.from({ length: 200 }, async (_, index) =>
        setMax(key, 1 + ((index * 7_919) % 1_000), index % 2 === 0 ? world.links : others),
      ),
    );
    await setMax(key, 100_000);
    const visits = await visitors.stop();
    expect(changes.filter(({ status }) => status === 'fulfilled').length).to.be.above(100);
    expect(visits).to.be.above(0);
    expect((await leftOf(key)) ?? NaN).to.equal(100_000 - visits);
  });

  it('are never more than allowed while the limit stays at or below it', async function () {
    this.timeout(60_000);
    const key = await make(50);
    const visitors = startVisitors(key);
    for (let index = 0; index < 100; index += 1) await setMax(key, 1 + ((index * 13) % 50));
    await setMax(key, 50);
    await until('no visit is left', async () => (await leftOf(key)) === 0);
    expect(await visitors.stop()).to.equal(50);
  });
});
