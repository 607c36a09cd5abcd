import { expect } from 'chai';
import type { ScanQuestion } from '../../db/own-links/scan-links.ts';
import { StoreUnavailableError } from '../../db/store-errors.ts';
import { errorOf } from '../db/outcome.ts';
import { withSql } from '../db/urls-fixture.ts';
import {
  createOwnLinksWorld,
  newOwner,
  openOwnLinks,
  ownedRow,
  type OwnLinksWorld,
} from './own-links-fixture.ts';

/** More than two pieces of one slot. */
const ROWS = 12_000;
const ALL: ScanQuestion = { state: 'all' };

describe('a search in the links of everybody', () => {
  let world: OwnLinksWorld;

  before(async function () {
    this.timeout(20_000);
    world = await createOwnLinksWorld();
    await withSql(world.servers[0]?.url ?? '', async (sql) => {
      const rows = Array.from({ length: ROWS }, (_, at) => [
        5,
        `row-${String(at).padStart(6, '0')}`,
        `https://host-${at % 1_000}.example/`,
        new Date(),
        Buffer.alloc(16),
      ]);
      await sql.query('INSERT INTO urls (slot, unique_id, original_url, created_at, request_id) VALUES ?', [
        rows,
      ]);
    });
  });

  after(async () => {
    await world[Symbol.asyncDispose]();
  });

  async function readAll(
    question: ScanQuestion,
    limit: number,
    onPage: () => Promise<unknown> = async () => undefined,
  ): Promise<string[]> {
    const keys: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await world.links.scan(question, { cursor, limit });
      if ('invalid' in page) throw new Error('its own cursor');
      keys.push(...page.items.map(({ key }) => key));
      cursor = page.nextCursor ?? undefined;
      await onPage();
    } while (cursor !== undefined);
    return keys;
  }

  it('finds the few that match, and each link once while others are made and deleted', async () => {
    expect(await readAll({ ...ALL, host: 'host-7.example' }, 50)).to.deep.equal(
      Array.from({ length: ROWS / 1_000 }, (_, at) => `row-${String(at * 1_000 + 7).padStart(6, '0')}`),
    );
    const owner = newOwner();
    const kept = Array.from({ length: 20 }, () => ownedRow(owner, { tags: ['a'] }));
    await world.make(...kept);
    const keys = await readAll(ALL, 200, async () => {
      const gone = ownedRow(owner);
      await world.make(gone);
      await world.links.remove(owner, gone.key);
    });
    expect(new Set(keys).size).to.equal(keys.length);
    expect(keys.filter((key) => key.startsWith('row-'))).to.have.length(ROWS);
    expect(keys).to.include.members(kept.map(({ key }) => key));
  });

  it('is an error and never a shorter list', async () => {
    const [one, two] = world.servers;
    if (one === undefined || two === undefined) throw new Error('two servers');
    const search = async (servers: OwnLinksWorld['servers'], question: ScanQuestion) =>
      openOwnLinks(servers).scan(question, { cursor: undefined, limit: 10 });
    const rare = { ...ALL, host: 'nowhere.example' };
    const down = await errorOf(search([one, { ...two, isUp: () => false }], rare));
    expect(down).to.be.instanceOf(StoreUnavailableError);
    expect(String(down)).to.match(/urls-2 is unavailable: it is down/);
    await withSql(two.url, async (sql) => {
      await sql.execute('UPDATE slots SET owned = 0 WHERE slot = 20');
      const moved = await errorOf(search(world.servers, rare));
      await sql.execute('UPDATE slots SET owned = 1 WHERE slot = 20');
      expect(String(moved)).to.match(/slot 20 is unavailable: urls-2 does not record that it has it/);
    });
    expect(await readAll(rare, 10)).to.deep.equal([]);
  });
});
