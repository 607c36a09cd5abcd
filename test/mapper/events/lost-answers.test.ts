import { expect } from 'chai';
import { randomBytes } from 'node:crypto';
import type { RowDataPacket } from 'mysql2/promise';
import { parseLinkInEvent } from '../../../db/own-links/link-in-event.ts';
import type { FaultyProxy } from '../../../drills/proxy/proxy.ts';
import { createRandom } from '../../../runtime/random.ts';
import { startWire, through } from '../../db/wire.ts';
import { IS_LONG } from '../../long.ts';
import { until } from '../../until.ts';
import { People } from '../api/people.ts';
import { send, type Answer } from '../client.ts';
import { createWorld, type World } from '../world.ts';

const SEED = Number(process.env['KEYMILL_TEST_SEED'] ?? randomBytes(4).readUInt32BE());
const CLIENTS = 8;
const LOAD_MS = IS_LONG ? 60_000 : 2_000;
/** Of the transactions that write an event, so many lose their answer. */
const LOST = 0.15;
const OF_EVENTS = 'INSERT INTO outbox';

describe(`events of links, over a network that loses answers (seed ${SEED})`, function () {
  this.timeout(60_000 + 2 * LOAD_MS);
  const stack = new AsyncDisposableStack();
  const random = createRandom(SEED);
  const wires: FaultyProxy[] = [];
  let world: World;
  let mappers: string[];
  let userId: bigint;
  let key: string;
  let lost = 0;
  let deleted = 0;

  before(async () => {
    world = stack.use(await createWorld({ keys: 5_000, hasUsers: true }));
    const people = stack.use(new People(world.usersUrl));
    const person = await people.person();
    userId = person.id;
    ({ key } = await people.key(person, ['links:write']));
    // Nothing can be delivered to a private address, so the events stay.
    const events = ['link.created', 'link.updated', 'link.deleted'];
    const hook = { url: 'http://127.0.0.1:1/', events, secret: randomBytes(48), createdAt: new Date() };
    await people.db.webhooks.create({ id: randomBytes(16).toString('hex'), userId, ...hook }, 20);
    for (const server of world.urls) {
      const wire = stack.use(await startWire(server.url));
      wires.push(wire);
      const urlsDbs = world.urls.map((one) => ({ ...one, url: through(wire, one.url) }));
      await world.start({ stores: { urlsDbs } }).then(({ url }) => (mappers = [...(mappers ?? []), url]));
    }
  });

  after(async () => stack.disposeAsync());

  async function call(method: string, path: string, body?: object, headers: object = {}): Promise<Answer> {
    const [url] = mappers.slice(Math.floor(random() * mappers.length));
    return send(method, `${url}${path}`, {
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
      ...(body && { body: JSON.stringify(body) }),
    });
  }

  function loseAnswers(): void {
    for (const wire of wires) {
      const isLost = (sent: Buffer): boolean => {
        if (!sent.includes(OF_EVENTS) || random() > LOST) return false;
        lost += 1;
        // The wire forgets the condition when it is met.
        queueMicrotask(() => wire.cutBeforeReplyTo(isLost));
        return true;
      };
      wire.cutBeforeReplyTo(isLost);
    }
  }

  /** Makes links and changes them, some of them together with other clients. */
  async function work(untilMs: number, keys: string[]): Promise<void> {
    // A busy machine takes longer for as much.
    const isEnough = (): boolean => keys.length > 20 && lost > 10 && deleted > 3;
    while (performance.now() < untilMs || !isEnough()) {
      const link = keys[Math.floor(random() * Math.min(keys.length, 12))] ?? '';
      const dice = random();
      const long_url = `https://example.com/${dice}`;
      if (link === '' || dice < 0.2) {
        const alias = `made-${randomBytes(6).toString('hex')}`;
        const fields = [{}, { custom_alias: alias }, { tags: ['a', 'b'], max_visits: 9 }];
        const repeatable = random() < 0.3 ? { 'idempotency-key': alias } : {};
        const made = await call('POST', '/urls', { long_url, ...fields[Math.floor(dice * 15)] }, repeatable);
        if (made.status === 201) keys.unshift(String(made.json()['unique_id']));
      } else if (dice < 0.25)
        await call('POST', '/urls/bulk', { items: Array.from({ length: 5 }, () => ({ long_url })) });
      else if (dice < 0.7)
        await call('PATCH', `/urls/${link}`, { long_url, tags: [`t${Math.floor(dice * 20)}`] });
      else if (dice < 0.75)
        await call('PATCH', `/users/me/tags/t${Math.floor(random() * 20)}`, { tag: 'renamed' });
      else if (dice < 0.9) deleted += (await call('DELETE', `/urls/${link}`)).status === 204 ? 1 : 0;
      else await call('POST', `/urls/${link}/restore`);
    }
  }

  async function readAll<Row>(sql: string): Promise<Row[]> {
    const found = await Promise.all(
      world.urls.map(async (server) => server.sql.query<RowDataPacket[]>(sql, [userId])),
    );
    return found.flatMap(([rows]) => rows as unknown as Row[]);
  }

  it('are written exactly once for each state of each link', async () => {
    loseAnswers();
    const keys: string[] = [];
    const untilMs = performance.now() + LOAD_MS;
    await Promise.all(Array.from({ length: CLIENTS }, async () => work(untilMs, keys)));
    for (const wire of wires) wire.heal();
    // What was sent before the cut may still arrive.
    let before = -1;
    await until('nothing changes any more', async () => {
      const sums = await readAll<{ sum: number }>(
        'SELECT CAST(COALESCE(SUM(version), 0) AS SIGNED) AS sum FROM urls WHERE user_id = ?',
      );
      const all = sums.reduce((total, { sum }) => total + sum, 0);
      const isStill = all === before;
      before = all;
      return isStill;
    });
    const links = await readAll<{ unique_id: string; version: number; is_deleted: number }>(
      'SELECT unique_id, version, deleted_at IS NOT NULL AS is_deleted FROM urls WHERE user_id = ?',
    );
    const expected = links.flatMap(({ unique_id: one, version }) =>
      Array.from({ length: version }, (_, index) => `${one} ${index + 1}`),
    );
    const events = await readAll<{ event: string; body: string }>(
      'SELECT event, body FROM outbox WHERE user_id = ?',
    );
    const written = events.map(({ event, body }) => ({ event, ...parseLinkInEvent(body).link }));
    expect(links.length, 'links').to.be.above(20);
    expect(lost, 'lost answers').to.be.above(10);
    expect(events.filter(({ event }) => event === 'link.deleted').length).to.be.above(3);
    expect(written.map(({ key: one, version }) => `${one} ${version}`).toSorted()).to.deep.equal(
      expected.toSorted(),
    );
    for (const { event, version, deletedAt } of written) {
      if (version === 1) expect(event).to.equal('link.created');
      else if (event === 'link.deleted') expect(deletedAt).not.to.equal(null);
      else expect(event).to.equal('link.updated');
    }
  });
});
