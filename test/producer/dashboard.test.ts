import { expect } from 'chai';
import { Redis } from 'ioredis';
import { PATHS } from '../../coordinator/paths.ts';
import { ADMIN_TOKEN, AS_OPERATOR } from '../admin-token.ts';
import { send, type Answer } from '../mapper/client.ts';
import { openPage, type OpenPage } from '../runtime/dashboard/open-page.ts';
import { ranMs } from '../ran-ms.ts';
import { until } from '../until.ts';
import { testCluster, type Cluster } from './cluster.ts';

/** Said of a member that has reported. */
const READY = /<span class="state good"[^]{0,60}?ready\s*<\/span/g;

async function connectTo(url: string): Promise<{ readonly redis: Redis } & AsyncDisposable> {
  const redis = new Redis(url);
  return { redis, [Symbol.asyncDispose]: async () => redis.disconnect() };
}

describe('dashboard of a producer', () => {
  let cluster: Cluster;

  before(async function () {
    this.timeout(60_000);
    cluster = await testCluster({ keysDbs: 2 });
    for (const id of ['producer-1', 'producer-2']) cluster.start(id);
    await until(
      'both producers to hold a shard and the pools to be full',
      async () => {
        const members = [...(await cluster.members()).values()];
        const locks = [...(await cluster.locks()).values()];
        const levels = await Promise.all(cluster.pools.map(async (pool) => pool.level()));
        const isReady =
          locks.length === 2 &&
          locks.every(({ epoch }) => epoch !== null) &&
          new Set(locks.map(({ owner }) => owner)).size === 2 &&
          levels.every((level) => level >= 400);
        return isReady && members.length === 2;
      },
      { timeoutMs: 40_000 },
    );
  });

  after(async () => cluster[Symbol.asyncDispose]());

  /** A worker that was killed has another port. */
  const adminOf = async (): Promise<string> =>
    until('a producer', async () => [...(await cluster.members()).values()][0]?.admin);

  it('without a script: one page with shards, holders, epochs, pools, members and ZooKeeper', async () => {
    const look = async (): Promise<string> =>
      (await send('GET', `${await adminOf()}/dashboard`, { headers: AS_OPERATOR })).text;
    // On a busy machine a member may be late.
    const body = await until('a page with answers of both producers', async () => {
      const text = await look();
      return text.match(READY)?.length === 2 && text.includes('All is well') && text;
    });
    for (const [shard, { owner, epoch }] of await cluster.locks()) {
      const row = new RegExp(`<tr[^>]*id="shards-${shard}"[^]*?</tr>`).exec(body)?.[0] ?? '';
      expect(row).to.contain(owner);
      expect(row).to.match(new RegExp(`>\\s*${epoch}\\s*</td>`));
    }
    for (const text of ['redis-1', 'redis-2', 'in session', '1 of ']) expect(body).to.contain(text);
    expect(body).to.match(/leader|standalone/);
  });

  it('shows a holder that was killed, and the next one, within a second; a reload shows what happened', async function () {
    this.timeout(60_000);
    const locks = await cluster.locks();
    const [shard, victim] = [...locks][0] ?? [];
    const other = [...locks.values()].find(({ owner }) => owner !== victim?.owner)?.owner;
    const members = await cluster.members();
    const watching = members.get(other ?? '')?.admin ?? '';
    await using page = await openPage(watching);
    await until('the page to show the holder', () =>
      page.textOf(`shards-${shard}`).includes(victim?.owner ?? '?'),
    );
    process.kill(victim?.pid ?? 0, 'SIGKILL');
    const moved = await until('another reign over the shard', async () => {
      const lock = (await cluster.locks()).get(shard ?? '');
      return lock !== undefined && lock.nonce !== victim?.nonce && lock;
    });
    const movedAtMs = ranMs();
    await until('the page to show it', () => page.textOf(`shards-${shard}`).includes(moved.owner ?? '?'), {
      timeoutMs: 1_000,
      clock: ranMs,
    });
    // Only a bound of what a busy machine needs: the push itself takes some 100 ms.
    expect(ranMs() - movedAtMs).to.be.below(1_000);
    await until('the change to be listed', () => page.textOf('events').includes(moved.owner ?? '?'));
    await until('the change to be said', () => page.news.some((text) => text.includes(shard ?? '?')));
    const reload = await send('GET', `${watching}/dashboard`, { headers: AS_OPERATOR });
    const listed = /<section id="events"[^]*?<\/section>/.exec(reload.text)?.[0] ?? '';
    expect(listed).to.match(new RegExp(`${shard}</strong>\\s*(moved from|is held by)`));
  });

  it('shows a pool that stops answering, and that it is back', async function () {
    this.timeout(60_000);
    const live = await adminOf();
    await using page = await openPage(live);
    await until('the pool to be fine', () => /ok|low/.test(page.textOf('pools-redis-2')));
    const pool = cluster.redis[1];
    if (pool === undefined) throw new Error('there are two pools');
    await using client = await connectTo(pool.url);
    await client.redis.rename('keys:available', 'aside');
    await client.redis.set('keys:available', 'no list');
    await until('the page to say so', () => page.textOf('pools-redis-2').includes('not used'), {
      timeoutMs: 5_000,
    });
    expect(page.textOf('alarms')).to.contain('redis-2');
    await client.redis.rename('aside', 'keys:available');
    await until('the page to say so', () => !page.textOf('pools-redis-2').includes('not used'));
  });

  it('says that ZooKeeper was wiped, and stays', async function () {
    this.timeout(60_000);
    const { session } = cluster;
    await using page = await openPage(await adminOf());
    await until('the page to be read', () => page.textOf('zookeeper').includes('in session'));
    const id = (await session.get(PATHS.ensemble))?.data ?? '';
    await session.remove(PATHS.ensemble, -1);
    await until('the page to say so', () => page.textOf('alarms').includes('it was wiped'));
    expect(page.textOf('alarms')).to.contain('keymill zookeeper adopt');
    await session.create(PATHS.ensemble, id, { ephemeral: false });
    await until('the page to say so', () => page.textOf('alarms').includes('All is well'));
    expect(page.isOpen).to.equal(true);
    expect(page.textOf('events')).to.contain('wiped');
  });

  it('tells other dashboards only the events that they do not have', async () => {
    const admin = await adminOf();
    const ask = async (query: string): Promise<{ events: unknown[]; mark: string }> => {
      const { text } = await send('GET', `${admin}/dashboard/report${query}`, { headers: AS_OPERATOR });
      return JSON.parse(text) as { events: unknown[]; mark: string };
    };
    await until('some events, and then none', async () => {
      const { events, mark } = await ask('');
      return events.length > 0 && (await ask(`?since=${encodeURIComponent(mark)}`)).events.length === 0;
    });
    expect((await ask('?since=of+another+run')).events).not.to.deep.equal([]);
  });

  describe('lets in who knows the token', () => {
    const cookieIn = ({ headers }: Answer): string => {
      const given: unknown = headers['set-cookie'];
      return Array.isArray(given) ? String(given[0]) : '';
    };
    const signIn = async (
      admin: string,
      headers: Record<string, string>,
      token = ADMIN_TOKEN,
    ): Promise<Answer> =>
      send('POST', `${admin}/dashboard/login`, {
        headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
        body: new URLSearchParams({ token }).toString(),
      });

    it('asks for it once, and gives a cookie of this port alone', async () => {
      const admin = await adminOf();
      const { port, origin } = new URL(admin);
      const asked = await send('GET', `${admin}/dashboard`);
      expect(asked.text).to.contain('Admin token').and.not.contain('keys-db-1');
      expect((await send('GET', `${admin}/dashboard/events`)).status).to.equal(401);
      const wrong = await signIn(admin, { origin }, `${ADMIN_TOKEN}x`);
      expect([wrong.status, cookieIn(wrong)]).to.deep.equal([303, '']);
      const cookie = cookieIn(await signIn(admin, { origin }));
      expect(cookie).to.match(
        new RegExp(`^keymill-admin-${port}=[\\w-]{43}; Path=/dashboard; HttpOnly; SameSite=Strict$`),
      );
      expect(cookie).not.to.contain(ADMIN_TOKEN);
      const pair = cookie.split(';')[0] ?? '';
      const inside = await send('GET', `${admin}/dashboard`, { headers: { cookie: `a=b; ${pair}` } });
      expect(inside.text).to.contain('keys-db-1');
      for (const forged of [`${pair}x`, pair.replace(port, '1'), `keymill-admin-${port}=${ADMIN_TOKEN}`])
        expect(
          (await send('GET', `${admin}/dashboard/events`, { headers: { cookie: forged } })).status,
        ).to.equal(401);
      // The cookie opens pages, and nothing that changes or lists.
      expect((await send('GET', `${admin}/dashboard/report`, { headers: { cookie: pair } })).status).to.equal(
        401,
      );
    });

    it('refuses forms of other sites, foreign hosts, and what is no form', async () => {
      const admin = await adminOf();
      const { origin } = new URL(admin);
      expect((await signIn(admin, {})).status, 'no Origin').to.equal(403);
      expect((await signIn(admin, { origin: 'http://evil.example' })).status).to.equal(403);
      expect((await signIn(admin, { origin: 'null' })).status).to.equal(403);
      expect((await signIn(admin, { origin, 'sec-fetch-site': 'cross-site' })).status).to.equal(403);
      expect((await signIn(admin, { origin, 'content-type': 'application/json' })).status).to.equal(415);
      const foreign = { ...AS_OPERATOR, host: 'rebound.example' };
      for (const path of ['/dashboard', '/dashboard/events', '/dashboard/report'])
        expect((await send('GET', admin + path, { headers: foreign })).status, path).to.equal(403);
      expect((await send('POST', `${admin}/dashboard`, { headers: { origin } })).status).to.equal(405);
    });

    it('sends no code inline, lets nobody frame it, and keeps its files for ever', async () => {
      const admin = await adminOf();
      const page = await send('GET', `${admin}/dashboard`, { headers: AS_OPERATOR });
      expect(page.headers['content-security-policy'])
        .to.contain("default-src 'none'")
        .and.contain("frame-ancestors 'none'");
      expect(page.headers['content-security-policy']).not.to.contain('unsafe');
      expect(page.text).not.to.match(/<style|style=|<script(?! src=)|\son\w+=|https?:\/\/(?!127\.0\.0\.1)/);
      const files = [...page.text.matchAll(/(?:src|href)="(\/dashboard\/static\/[^"]+)"/g)].map(
        ([, path]) => path,
      );
      expect(files).to.have.length(3);
      for (const path of files) {
        const file = await send('GET', `${admin}${path}`, { headers: { 'accept-encoding': 'br' } });
        expect([file.status, file.headers['content-encoding']]).to.deep.equal([200, 'br']);
        expect(file.headers['cache-control']).to.contain('immutable');
      }
    });
  });

  describe('its open pages', () => {
    it('HEAD opens none', async () => {
      const admin = await adminOf();
      for (let count = 0; count < 17; count += 1) {
        const head = await send('HEAD', `${admin}/dashboard/events`, { headers: AS_OPERATOR });
        expect([head.status, head.text]).to.deep.equal([200, '']);
      }
      expect((await send('HEAD', `${admin}/dashboard/events`)).status).to.equal(401);
    });

    it('end when somebody signs out, and those who may look open theirs again', async () => {
      const admin = await adminOf();
      const { origin } = new URL(admin);
      await using page = await openPage(admin);
      const signOut = async (headers: Record<string, string>): Promise<Answer> =>
        send('POST', `${admin}/dashboard/logout`, {
          headers: { 'content-type': 'application/x-www-form-urlencoded', origin, ...headers },
        });
      expect((await signOut({})).status).to.equal(303);
      await using second = await openPage(admin);
      expect([page.isOpen, second.isOpen], 'a stranger ends none').to.deep.equal([true, true]);
      expect((await signOut(AS_OPERATOR)).status).to.equal(303);
      await until('both to be ended', () => !page.isOpen && !second.isOpen);
      await using again = await openPage(admin);
      expect(again.isOpen).to.equal(true);
    });

    it('are bounded, and end when it stops', async function () {
      this.timeout(60_000);
      const member = [...(await cluster.members()).values()].at(-1);
      const admin = member?.admin ?? '';
      const pages: OpenPage[] = [];
      for (let count = 0; count < 16; count += 1) pages.push(await openPage(admin));
      const events = { headers: AS_OPERATOR };
      expect((await send('GET', `${admin}/dashboard/events`, events)).status).to.equal(503);
      await pages.pop()?.[Symbol.asyncDispose]();
      await until('the place to be free', async () => {
        await using page = await openPage(admin);
        return page.isOpen;
      });
      process.kill(member?.pid ?? 0, 'SIGTERM');
      await until('all pages to be ended', () => pages.every(({ isOpen }) => !isOpen), { timeoutMs: 5_000 });
    });
  });
});
