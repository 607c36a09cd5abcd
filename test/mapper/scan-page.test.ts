import { expect } from 'chai';
import type { ScanQuestion } from '../../db/own-links/scan-links.ts';
import type { OwnLinksDb } from '../../db/own-links/own-links-db.ts';
import { StoreUnavailableError } from '../../db/store-errors.ts';
import { pause } from '../../runtime/retry.ts';
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
    this.timeout(60_000);
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
    links = world.links,
  ): Promise<string[]> {
    const keys: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await links.scan(question, { cursor, limit });
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

  it('ends a page when it has looked for 200 ms, and goes on from there', async () => {
    const slow = world.servers.map((server) => ({
      ...server,
      db: {
        name: server.db.name,
        slots: server.db.slots,
        tagsOf: server.db.tagsOf.bind(server.db),
        scan: async (...given: Parameters<OwnLinksDb['scan']>) => {
          await pause(25);
          return server.db.scan(...given);
        },
      } as unknown as OwnLinksDb,
    }));
    const rare = { ...ALL, host: 'host-7.example' };
    let pages = 0;
    const count = async (): Promise<number> => (pages += 1);
    expect(await readAll(rare, 200, count, openOwnLinks(slow))).to.have.length(ROWS / 1_000);
    expect(pages).to.be.above(2);
  });

  it('is an error and never a shorter list', async () => {
    const [one, two] = world.servers;
    if (one === undefined || two === undefined) throw new Error('two servers');
    const search = async (servers: OwnLinksWorld['servers']): Promise<string[]> =>
      readAll({ ...ALL, host: 'nowhere.example' }, 10, undefined, openOwnLinks(servers));
    const down = await errorOf(search([one, { ...two, isUp: () => false }]));
    expect(down).to.be.instanceOf(StoreUnavailableError);
    expect(String(down)).to.match(/urls-2 is unavailable: it is down/);
    await withSql(two.url, async (sql) => {
      await sql.execute('UPDATE slots SET owned = 0 WHERE slot = 20');
      const moved = await errorOf(search(world.servers));
      await sql.execute('UPDATE slots SET owned = 1 WHERE slot = 20');
      expect(String(moved)).to.match(/slot 20 is unavailable: urls-2 does not record that it has it/);
    });
    expect(await search(world.servers)).to.deep.equal([]);
  });
});
