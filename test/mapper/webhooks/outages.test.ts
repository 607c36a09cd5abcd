import { expect } from 'chai';
import type { FaultyProxy } from '../../../drills/proxy/proxy.ts';
import { startWire, through } from '../../db/wire.ts';
import { IS_LONG } from '../../long.ts';
import { until } from '../../until.ts';
import { viaProxy } from '../faulty.ts';
import { startMapperProcess, type MapperProcess } from '../mapper-process.ts';
import type { TestMapper } from '../world.ts';
import { status, type Received } from './receiver.ts';
import { untilReceived, useWebhooks } from './use-webhooks.ts';

/** A day of retries. The long one is scaled 1:60, as an hour to a minute. */
const RETRY_MS = IS_LONG ? 1_440_000 : 60_000;
const HOUR_MS = RETRY_MS / 24;

describe('deliveries to webhooks during outages', () => {
  const fixture = useWebhooks({ webhooks: { retryMs: RETRY_MS } });
  const { owner, hook, emit, waiting } = fixture;

  afterEach(() => {
    fixture.receiver.answer = status(204);
  });

  /** The requests at a path. */
  function at(path: string): Received[] {
    return fixture.receiver.received.filter((one) => one.path === path);
  }

  /** Other processes may take what this one has claimed. */
  async function endLeases(): Promise<void> {
    for (const { sql } of fixture.world.urls)
      await sql.query('UPDATE outbox SET due_at = UTC_TIMESTAMP(3) WHERE claim IS NOT NULL');
  }

  it('come at least once after the receiver is back, when it was down for an hour', async function () {
    this.timeout(5 * HOUR_MS + 30_000);
    const ana = await owner();
    const downUntilMs = Date.now() + HOUR_MS;
    const accepted: Received[] = [];
    fixture.receiver.answer = (_, response) => {
      if (Date.now() < downUntilMs) response.destroy();
      else {
        accepted.push(fixture.receiver.received.at(-1) ?? expect.fail());
        response.writeHead(200).end();
      }
    };
    await hook(ana, '/down');
    const ids = await emit(ana, 20);
    // With some that happen during the outage.
    await until('the half of it is over', () => Date.now() > downUntilMs - HOUR_MS / 2, {
      timeoutMs: HOUR_MS,
    });
    ids.push(...(await emit(ana, 20)));
    await until('nothing waits', async () => (await waiting(ana)) === 0, { timeoutMs: 4 * HOUR_MS + 20_000 });
    expect(accepted.map(({ headers }) => headers['webhook-id'])).to.include.members(ids);
    const data = accepted.map(({ body }) => (JSON.parse(body) as { data: { version: number } }).data);
    for (const one of data) expect(one.version).to.be.within(1, 20);
  });

  it('are each made by one of two mappers', async function () {
    this.timeout(60_000);
    const other = await fixture.world.start({ allowPrivateTargets: true });
    const owners = await Promise.all([owner(), owner(), owner()]);
    for (const one of owners) await hook(one, '/shared');
    const ids = (await Promise.all(owners.map(async (one) => emit(one, 50)))).flat();
    await untilReceived(fixture.receiver, '/shared', ids.length);
    await until('nothing waits', async () => {
      const rows = await Promise.all(owners.map(async (one) => waiting(one)));
      return rows.every((count) => count === 0);
    });
    await other.stop();
    expect(at('/shared').map(({ headers }) => headers['webhook-id'])).to.have.members(ids);
  });

  it('are made again by another process when theirs is killed, under the same id', async function () {
    this.timeout(60_000);
    const ana = await owner();
    await hook(ana, '/killed');
    await fixture.mapper.stop();
    fixture.receiver.answer = () => undefined;
    let process: MapperProcess | undefined;
    try {
      process = await startMapperProcess(fixture.world, (child) => void child, {
        KEYMILL_KEY_SECRET: 'a secret for tests',
        KEYMILL_USERS_DB: fixture.world.usersUrl,
        KEYMILL_ALLOW_PRIVATE_TARGETS: 'true',
      });
      const [id] = await emit(ana);
      await untilReceived(fixture.receiver, '/killed', 1);
      process.child.kill('SIGKILL');
      await process.exited;
      fixture.receiver.answer = status(204);
      await endLeases();
      const other = await fixture.world.start({ allowPrivateTargets: true });
      await untilReceived(fixture.receiver, '/killed', 2);
      expect(at('/killed').map(({ headers }) => headers['webhook-id'])).to.deep.equal([id, id]);
      await until('nothing waits', async () => (await waiting(ana)) === 0);
      await other.stop();
    } finally {
      process?.child.kill('SIGKILL');
    }
  });

  describe('of mappers on faulty stores', () => {
    let mapper: TestMapper;

    // Otherwise it takes what the mapper of a test should.
    before(async function () {
      this.timeout(60_000);
      await fixture.mapper.stop();
    });

    afterEach(async function () {
      this.timeout(60_000);
      await mapper.stop();
    });

    it('are made again at once by others when a mapper stops, and nobody is blamed for that', async function () {
      this.timeout(60_000);
      mapper = await fixture.world.start({ allowPrivateTargets: true });
      const ana = await owner();
      const id = await makeHook(mapper, ana.cookie, '/stopping');
      fixture.receiver.answer = () => undefined;
      await emit(ana);
      await untilReceived(fixture.receiver, '/stopping', 1);
      await mapper.stop();
      fixture.receiver.answer = status(204);
      mapper = await fixture.world.start({ allowPrivateTargets: true });
      await until('nothing waits', async () => (await waiting(ana)) === 0);
      expect(at('/stopping')).to.have.length(2);
      expect((await fixture.people.db.webhooks.find(id, ana.id))?.failingSince).to.equal(null);
    });

    it('are made again when it is not known whether their end was stored', async function () {
      this.timeout(60_000);
      const urlsDbs = await Promise.all(fixture.world.urls.map(viaProxy));
      mapper = await fixture.world.start({ allowPrivateTargets: true, stores: { urlsDbs } });
      try {
        const ana = await owner();
        const id = await makeHook(mapper, ana.cookie, '/cut');
        const isEnd = (sent: Buffer): boolean =>
          sent.toString('latin1', 5, 30) === 'DELETE FROM outbox WHERE ';
        for (const { proxy } of urlsDbs) proxy.cutBeforeReplyTo(isEnd);
        const [eventId] = await emit(ana);
        await untilReceived(fixture.receiver, '/cut', 1);
        await until('it is over', async () => {
          await endLeases();
          return (await waiting(ana)) === 0;
        });
        expect(new Set(at('/cut').map(({ headers }) => headers['webhook-id']))).to.deep.equal(
          new Set([eventId]),
        );
        expect((await fixture.people.db.webhooks.find(id, ana.id))?.failingSince).to.equal(null);
      } finally {
        await mapper.stop();
        await Promise.all(urlsDbs.map(async ({ proxy }) => proxy.stop()));
      }
    });

    it('wait while the users database is away', async function () {
      this.timeout(60_000);
      let wire: FaultyProxy = await startWire(fixture.world.usersUrl);
      const usersDb = { url: through(wire, fixture.world.usersUrl) };
      mapper = await fixture.world.start({ allowPrivateTargets: true, stores: { usersDb } });
      try {
        const ana = await owner();
        await makeHook(mapper, ana.cookie, '/away');
        const { port } = wire;
        await wire.stop();
        const ids = await emit(ana, 3);
        await until('the mapper knows that it is away', async () => {
          const page = await fetch(`${mapper.url}/users/me/webhooks`, { headers: { cookie: ana.cookie } });
          return page.status === 503;
        });
        wire = await startWire(fixture.world.usersUrl, port);
        await untilReceived(fixture.receiver, '/away', 3);
        expect(at('/away').map(({ headers }) => headers['webhook-id'])).to.have.members(ids);
      } finally {
        await mapper.stop();
        await wire.stop();
      }
    });

    it('end with the webhook when every one has failed for a day, and its owner is told why', async function () {
      this.timeout(60_000);
      mapper = await fixture.world.start({ allowPrivateTargets: true, webhooks: { retryMs: 2_000 } });
      const ana = await owner();
      fixture.receiver.answer = status(500);
      const id = await makeHook(mapper, ana.cookie, '/dead');
      await emit(ana);
      const off = await until('it is off', async () => {
        const found = await fixture.people.db.webhooks.find(id, ana.id);
        return found?.disabledAt !== null && found;
      });
      expect(off.disabledReason).to.equal('Every delivery has failed for 2 s; the last: it answered 500.');
      expect(at('/dead').length).to.be.within(2, 14);
      await emit(ana, 3);
      await until('nothing waits', async () => (await waiting(ana)) === 0);
      const metrics = await (await fetch(`${mapper.adminUrl}/metrics`)).text();
      expect(metrics).to.match(/^keymill_webhooks_switched_off_total 1$/m);
      expect(metrics).to.match(/^keymill_webhook_deliveries_total\{result="given-up"\} 1$/m);
    });
  });

  async function makeHook({ url }: TestMapper, cookie: string, path: string): Promise<string> {
    const made = await fetch(`${url}/users/me/webhooks`, {
      method: 'POST',
      headers: { cookie, 'content-type': 'application/json' },
      body: JSON.stringify({ url: new URL(path, fixture.receiver.url).href }),
    });
    expect(made.status).to.equal(201);
    return ((await made.json()) as { webhook_id: string }).webhook_id;
  }
});
