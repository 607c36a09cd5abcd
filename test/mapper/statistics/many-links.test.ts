import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { DIMENSIONS } from '../../../db/clicks/dimensions.ts';
import { ALL_SLOTS } from '../../../runtime/config/slots.ts';
import { createRandom } from '../../../runtime/random.ts';
import { People, type Person } from '../api/people.ts';
import { IS_LONG } from '../../long.ts';
import { testFolder } from '../../servers.ts';
import { createWorld } from '../world.ts';
import { DAYS, fillWithClicks, makeLinks, type FollowedLink } from './many-clicks.ts';
import { PrivateServer } from './private-server.ts';
import { anyQuestion, Asker, timesOf, type Times } from './questions.ts';

const SCALE = Number(process.env['KEYMILL_TEST_SCALE'] ?? (IS_LONG ? 1 : 0.002));
const CLICKS = 10_000_000 * SCALE;
/** More clicks than usual are clicks of the usual links. */
const [LINKS, OWNERS] = [100_000, 1_000].map((usual) => usual * Math.min(1, SCALE)) as [number, number];
const QUESTIONS = IS_LONG ? 500 : 20;
const SEED = Number(process.env['KEYMILL_TEST_SEED'] ?? 20_261_128);

/** Where the filled server stays for further runs of the same scale and day. Default: nowhere. */
const KEPT_IN = process.env['KEYMILL_TEST_KEEP'];

/**
 * 10 million clicks over 100,000 links of 1,000 owners in 90 days, by Zipf; without `--long`, a 500th of it.
 * KEYMILL_TEST_SCALE: another share, 10 for 100 million. Only the times of `--long` are compared with the
 * goals.
 */
describe('clicks of many links', () => {
  let server: PrivateServer;
  let base: string;
  let people: People;
  let owners: Person[];
  const links = makeLinks(LINKS, OWNERS, CLICKS);
  const stack = new AsyncDisposableStack();

  before(async function () {
    this.timeout(3_600_000);
    const mark = join(KEPT_IN ?? testFolder(), `filled-${SCALE}`);
    const isFilled = existsSync(mark);
    const kept = KEPT_IN && join(KEPT_IN, 'server');
    if (kept && existsSync(kept) && !isFilled)
      throw new Error(`${kept} was not filled to its end: delete it`);
    server = stack.use(await PrivateServer.start(kept));
    const ids = Array.from({ length: OWNERS }, (_, n) => BigInt(n + 1));
    const world = stack.use(await createWorld({ hasUsers: true, databases: 1 }));
    people = stack.use(new People(world.usersUrl));
    owners = [];
    for (const id of ids) owners.push(await people.person({ id }));
    const urlsDbs = [{ name: 'urls-1', url: server.url, slots: ALL_SLOTS }];
    // A mapper refuses a server with links that none has made ready. Its jobs would look at half of the
    // clicks.
    await (await world.start({ stores: { urlsDbs } })).stop();
    if (!isFilled) await fillWithClicks(server, links, ids);
    await writeFile(mark, '');
    base = (await world.start({ stores: { urlsDbs } })).url;
  });

  after(async function () {
    this.timeout(60_000);
    await stack.disposeAsync();
  });

  it('are answered in 50 ms for a link, 200 for an owner, 50 for a list with totals', async function () {
    this.timeout(600_000);
    const random = createRandom(SEED);
    const taken: Record<'link' | 'owner' | 'list', number[]> = { link: [], owner: [], list: [] };
    for (let round = 0; round < QUESTIONS; round += 1) {
      const link = links[Math.floor(links.length ** random()) - 1] as FollowedLink;
      const owner = owners[link.owner] as Person;
      using asker = new Asker(base, (await people.key(owner, ['stats:read', 'links:read'])).key);
      // Reads who asks, and opens the connection.
      await asker.ask('/urls?limit=1');
      taken.link.push((await asker.ask(`/urls/${link.key}/stats${anyQuestion(random, DAYS)}`)).ms);
      taken.owner.push((await asker.ask(`/stats${anyQuestion(random, DAYS)}`)).ms);
      taken.list.push((await asker.ask('/urls?limit=50')).ms);
    }
    const times = Object.fromEntries(
      Object.entries(taken).map(([what, samples]) => [what, timesOf(samples)]),
    );
    process.stdout.write(`      seed ${SEED}, ${CLICKS} clicks: ${JSON.stringify(times)} ms\n`);
    const [ofLinks, ofOwners] = [await server.bytesOf('click%'), await server.bytesOf('owner\\_%')];
    const [row] = await server.db.query<{ days: number }>(
      'SELECT COUNT(*) AS days FROM click_visitor_days',
      [],
      { timeoutMs: 60_000 },
    );
    const days = row?.days ?? 0;
    const each = (bytes: number): number => Math.round(bytes / days);
    process.stdout.write(
      `      ${days} days of links; bytes of each: ${each(ofLinks)}, and of owners ${each(ofOwners)}\n`,
    );
    if (!IS_LONG) return;
    const goals: Readonly<Record<string, number>> = { link: 50, owner: 200, list: 50 };
    for (const [what, { p99 }] of Object.entries<Times>(times))
      expect(p99, what).to.be.at.most(goals[what] ?? 0);
  });

  it('are those of their owners', async function () {
    // To read all of them takes minutes then.
    if (IS_LONG) return;
    for (const what of ['hours', 'values', 'visitor_days']) {
      const counted = what === 'visitor_days' ? 'visitors' : 'humans';
      const sumOf = async (table: string): Promise<unknown> =>
        server.db.queryArrays(
          `SELECT SUM(${counted}) FROM ${table} ${what === 'values' ? `WHERE dimension <> ${DIMENSIONS.link}` : ''}`,
        );
      expect(await sumOf(`owner_${what}`), what).to.deep.equal(await sumOf(`click_${what}`));
    }
  });
});
