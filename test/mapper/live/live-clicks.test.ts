import { expect } from 'chai';
import { Redis } from 'ioredis';
import { LiveStreams, MAX_WATCHED, MAX_WATCHED_OF_OWNER } from '../../../db/redis/live-streams.ts';
import { LiveClicks } from '../../../mapper/live/live-clicks.ts';
import type { ResolvedClick } from '../../../mapper/clicks/resolved-click.ts';
import { createLog } from '../../../runtime/log.ts';
import { createRandom } from '../../../runtime/random.ts';
import { expectProblem, send } from '../client.ts';
import { ApiClient } from '../api/api-client.ts';
import { useApi } from '../api/use-api.ts';
import { testRedis } from '../../servers.ts';
import { viaProxy } from '../faulty.ts';
import { ranMs } from '../../ran-ms.ts';
import { until } from '../../until.ts';
import { SseClient, sumOf } from './sse-client.ts';

const log = createLog('test', 'mapper', 'silent');

const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0';

describe('live clicks', () => {
  const fixture = useApi();
  const { makeLink } = fixture;
  const open: SseClient[] = [];
  let cookie: string;
  let key: string;
  /** Another mapper, whose clients follow links. */
  let other: LiveClicks;

  before(async () => {
    const { people } = fixture;
    cookie = await people.session(await people.person());
    other = new LiveClicks({ redis: fixture.world.redis, onLost: () => undefined, log });
  });

  beforeEach(async () => {
    key = await makeLink(cookie);
  });

  afterEach(() => {
    for (const client of open.splice(0)) client.close();
  });

  after(async () => other[Symbol.asyncDispose]());

  async function watch(headers: Readonly<Record<string, string>> = {}, of = key): Promise<SseClient> {
    const client = await SseClient.open(`${fixture.mapper.url}/urls/${of}/clicks/live`, {
      cookie,
      ...headers,
    });
    open.push(client);
    return client;
  }

  async function watched(of = key): Promise<SseClient> {
    const client = await watch({}, of);
    expect(client.response.statusCode).to.equal(200);
    await until('the other mapper to know that the link is watched', () => other.wanted.has(of));
    return client;
  }

  function follow(times: number, values: Partial<ResolvedClick> = {}): void {
    const unknown = { referrer: '', country: '', language: '', browser: '', os: '', device: '' };
    const click = { key, atMs: Date.now(), isBot: false, ...unknown, ...values };
    other.onClicks(Array.from({ length: times }, () => click));
  }

  async function told(client: SseClient, clicks: number): Promise<void> {
    await until(`${clicks} clicks`, () => {
      const { humans, bots } = sumOf(client.events);
      return humans + bots >= clicks;
    });
  }

  it('are told as they happen at another mapper, with what is known about them', async () => {
    const client = await watched();
    expect(client.response.headers).to.include({
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    });
    const atMs = Date.parse('2026-11-28T10:00:00.123Z');
    follow(1, { atMs, referrer: 'example.org', country: 'ES', browser: 'Firefox' });
    follow(1, { atMs, isBot: true });
    await told(client, 2);
    const unknown = { language: null, os: null, device: null };
    expect(client.events.map(({ event, data }) => ({ event, data }))).to.deep.equal([
      {
        event: 'click',
        data: {
          at: '2026-11-28T10:00:00.123Z',
          is_bot: false,
          referrer: 'example.org',
          country: 'ES',
          browser: 'Firefox',
          ...unknown,
        },
      },
      {
        event: 'click',
        data: {
          at: '2026-11-28T10:00:00.123Z',
          is_bot: true,
          referrer: null,
          country: null,
          browser: null,
          ...unknown,
        },
      },
    ]);
  });

  it('of redirects at several mappers are told everywhere; other requests are none', async () => {
    const { world, mapper } = fixture;
    const second = await world.start({ hasFastPaths: false });
    const clients = [
      await watched(),
      await SseClient.open(`${second.url}/urls/${key}/clicks/live`, { cookie }),
    ];
    open.push(...clients);
    // Each mapper hears within half a second that the link is watched. Few clicks have an event each.
    const isWatched = async (): Promise<boolean> => {
      for (const { url } of [mapper, second])
        await send('GET', `${url}/${key}`, { headers: { 'user-agent': FIREFOX } });
      return clients.every(({ events }) => sumOf(events).humans >= 2);
    };
    await until('clicks at both mappers', isWatched, { everyMs: 600 });
    for (const { url } of [mapper, second]) {
      await send('HEAD', `${url}/${key}`);
      await send('GET', `${url}/${key}`, { headers: { 'sec-purpose': 'prefetch' } });
      await send('GET', `${url}/${key}+`);
      await send('GET', `${url}/${key}`, {
        headers: {
          referer: 'https://www.example.org/a?secret=1',
          'user-agent': FIREFOX,
          'accept-language': 'es-ES',
        },
      });
      await send('GET', `${url}/${key}`, { headers: { 'user-agent': 'Googlebot/2.1' } });
    }
    const aboutSpanish = { is_bot: false, referrer: 'www.example.org', country: null, language: 'es' };
    for (const client of clients) {
      await until('both bots', () => sumOf(client.events).bots >= 2);
      const clicks = client.events.flatMap(({ event, data }) => (event === 'click' ? [data ?? {}] : []));
      expect(sumOf(client.events).bots).to.equal(2);
      const known = clicks.filter(({ referrer }) => referrer !== null);
      for (const click of known) expect(click).to.include(aboutSpanish);
      expect(known.length).to.be.within(1, 2);
    }
    const [one, other] = clients.map(({ events }) => sumOf(events).humans);
    expect(one).to.equal(other);
    await second.terminate();
  });

  it('a client that comes again is told what it has missed, all of it once', async () => {
    const first = await watched();
    follow(3);
    await told(first, 3);
    first.close();
    follow(700);
    follow(5, { isBot: true });
    const again = await watch({ 'last-event-id': first.lastId ?? '' });
    follow(2);
    await told(again, 707);
    expect(sumOf(again.events)).to.deep.equal({ humans: 702, bots: 5 });
    expect(again.events.map(({ event }) => event)).not.to.include('gap');
  });

  it('a client that comes again after any of its events is told exactly the others', async () => {
    const first = await watched();
    follow(3);
    follow(60);
    await told(first, 63);
    const { events } = first;
    for (const [at, { id = '' }] of events.entries()) {
      const before = sumOf(events.slice(0, at + 1)).humans;
      const again = await watch({ 'last-event-id': id });
      await told(again, 63 - before);
      expect(sumOf(again.events).humans, id).to.equal(63 - before);
      again.close();
    }
  });

  it('a client that goes and comes again at random, to any mapper, is told each click once', async () => {
    const seed = Number(process.env['KEYMILL_TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
    const random = createRandom(seed);
    const second = await fixture.world.start();
    let client = await watched();
    const parts = [client];
    // With others that stay, a mapper reads at its own times, and may have read less than another one.
    for (const { url } of [fixture.mapper, second])
      open.push(await SseClient.open(`${url}/urls/${key}/clicks/live`, { cookie }));
    let sent = 0;
    const endsAtMs = performance.now() + 2_500;
    const sending = until('the end of the clicks', () => {
      const times = Math.ceil(random() ** 4 * 40);
      follow(times);
      sent += times;
      return performance.now() > endsAtMs;
    });
    const comeAgain = async (): Promise<void> => {
      const { url } = random() < 0.5 ? fixture.mapper : second;
      const { lastId = '' } = client;
      client.close();
      client = await SseClient.open(`${url}/urls/${key}/clicks/live`, { cookie, 'last-event-id': lastId });
      open.push(client);
      parts.push(client);
    };
    await until('the last time that it comes', async () => {
      const staysUntilMs = performance.now() + random() * 400;
      await until('its going', () => performance.now() > staysUntilMs);
      await comeAgain();
      return performance.now() > endsAtMs;
    });
    await sending;
    const told = (): number => parts.reduce((sum, { events }) => sum + sumOf(events).humans, 0);
    await until('all clicks', () => told() >= sent).catch(() => undefined);
    expect(told(), `KEYMILL_TEST_SEED=${seed}, ${parts.length} parts`).to.equal(sent);
    expect(parts.flatMap(({ events }) => events).map(({ event }) => event)).not.to.include('gap');
    await second.terminate();
  });

  it('a client whose clicks were not kept hears of the gap', async () => {
    await watched();
    follow(1);
    for (const id of ['1-0', '999999999999999-0', '1-0.3']) {
      const client = await watch({ 'last-event-id': id });
      await until('the gap', () => client.events.some(({ event }) => event === 'gap'));
      follow(1);
      await told(client, 1);
    }
  });

  it('come to all who watch, at most twenty events a second and the rest as a number', async () => {
    const clients = await Promise.all(Array.from({ length: 20 }, async () => watched()));
    const endsAtMs = performance.now() + 1_500;
    let sent = 0;
    await until('a second and a half of clicks', () => {
      follow(100);
      sent += 100;
      return performance.now() > endsAtMs;
    });
    for (const client of clients) {
      await told(client, sent);
      expect(sumOf(client.events).humans).to.equal(sent);
      // It took two seconds at most.
      expect(client.events.length).to.be.within(2, 40);
    }
  });

  it('of another link are not told', async () => {
    const of = await makeLink(cookie);
    const client = await watched(of);
    await watched();
    follow(5);
    follow(1, { key: of });
    await told(client, 1);
    expect(sumOf(client.events)).to.deep.equal({ humans: 1, bots: 0 });
  });

  it('HEAD is answered without a stream', async () => {
    const answer = await fixture.api.call('HEAD', `/urls/${key}/clicks/live`, { cookie });
    expect([answer.status, answer.text]).to.deep.equal([200, '']);
  });

  it('a bad Last-Event-ID is refused', async () => {
    const answer = await fixture.api.call('GET', `/urls/${key}/clicks/live`, {
      cookie,
      headers: { 'last-event-id': 'yesterday' },
    });
    expectProblem(answer, 422);
    expect(answer.json()['errors']).to.deep.equal([
      { field: 'Last-Event-ID', reason: 'must be the id of an event of this stream' },
    ]);
  });

  it('a client that goes gives its place back at once', async () => {
    const client = await watched();
    await until('one listener', async () => (await listeners(fixture.mapper.adminUrl)) === '1');
    client.close();
    await until('the place', async () => (await listeners(fixture.mapper.adminUrl)) === '0', {
      timeoutMs: 2_000,
    });
  });

  it('end when the key is revoked, the session ends, or an administrator is none any more', async () => {
    const { people, api } = fixture;
    const owner = await people.person();
    const session = await people.session(owner);
    const of = await makeLink(session);
    const { key: apiKey, keyId } = await people.key(owner, ['stats:read']);
    const admin = await people.person({ isAdmin: true });
    const [byKey, bySession, byAdmin] = await Promise.all([
      watch({ cookie: '', authorization: `Bearer ${apiKey}` }, of),
      watch({ cookie: session }, of),
      watch({ cookie: await people.session(admin) }, of),
    ]);
    expect([byKey, bySession, byAdmin].map(({ response }) => response.statusCode)).to.deep.equal([
      200, 200, 200,
    ]);
    await api.call('DELETE', `/users/me/keys/${keyId}`, { cookie: session });
    await until('the end by the key', () => byKey.hasEnded, { timeoutMs: 2_500 });
    expect(byKey.response.complete).to.equal(true);
    expect([bySession.hasEnded, byAdmin.hasEnded]).to.deep.equal([false, false]);
    await api.call('POST', '/logout', { cookie: session });
    await until('the end by the session', () => bySession.hasEnded, { timeoutMs: 2_500 });
    const chief = await people.session(await people.person({ isAdmin: true }));
    await api.call('PATCH', `/admin/users/${admin.id}`, { cookie: chief, body: { disabled: true } });
    await until('the end by the account', () => byAdmin.hasEnded, { timeoutMs: 2_500 });
  });

  it('are told at another mapper after the first has stopped, which ends its streams', async () => {
    const stopping = await fixture.world.start();
    const client = await SseClient.open(`${stopping.url}/urls/${key}/clicks/live`, { cookie });
    await until('the other mapper to know that the link is watched', () => other.wanted.has(key));
    follow(2);
    await told(client, 2);
    const startedMs = ranMs();
    await stopping.terminate();
    expect(ranMs() - startedMs).to.be.below(3_000);
    await until('the end of the stream', () => client.hasEnded);
    expect(client.response.complete).to.equal(true);
    expect(client.text).to.match(/^retry: [123]\d{3}$/m);
    follow(4);
    const again = await watch({ 'last-event-id': client.lastId ?? '' });
    await told(again, 4);
    expect(sumOf(again.events)).to.deep.equal({ humans: 4, bots: 0 });
  });

  it('503 when too many other links are watched; those that are watched already go on', async () => {
    const { world, api } = fixture;
    await watched();
    const other = await makeLink(cookie);
    const endsAtMs = Date.now() + 90_000;
    const others = Array.from({ length: MAX_WATCHED }, (_, at) => [endsAtMs, `other-${at}`]).flat();
    for (const { client } of world.redis) await client.zadd('live:watched', ...others);
    const answer = await api.call('GET', `/urls/${other}/clicks/live`, { cookie });
    expectProblem(answer, 503);
    expect(answer.json()['detail']).to.equal(
      'Too many links are watched at the same time, of all or of this owner.',
    );
    expect((await watch()).response.statusCode).to.equal(200);
    // As if this mapper had been paused for a while.
    for (const { client } of world.redis) await client.zrem('live:watched', key);
    for (const { client } of world.redis) await client.zadd('live:watched', endsAtMs, 'other-last');
    await until('the end of the streams that lost their room', () => open.every(({ hasEnded }) => hasEnded));
    for (const { client } of world.redis)
      await client.zrem(
        'live:watched',
        'other-last',
        ...others.map(String).filter((name) => name.startsWith('other-')),
      );
  });

  for (const [state, what] of [
    ['silent', 'does not answer'],
    ['away', 'is away'],
  ] as const)
    it(`503 while their Redis ${what}, and links are followed; those who watch are sent away`, async () => {
      const { world, api } = fixture;
      const redis = await Promise.all(world.redis.map(async (server) => viaProxy(server)));
      const mapper = await world.start({ stores: { redis } });
      const path = `/urls/${key}/clicks/live`;
      const client = await SseClient.open(mapper.url + path, { cookie });
      expect(client.response.statusCode, client.text).to.equal(200);
      expect((await send('GET', `${mapper.url}/${key}`)).status).to.equal(302);
      for (const { proxy } of redis)
        if (state === 'silent') proxy.silence();
        else await proxy.stop();
      const direct = new ApiClient(() => mapper.url, api.document);
      const startedMs = ranMs();
      const answer = await until('a problem', async () => {
        const one = await direct.call('GET', path, { cookie });
        return one.status === 503 && one;
      });
      expectProblem(answer, 503);
      expect(answer.headers['retry-after']).to.match(/^\d+$/);
      expect(answer.json()['detail']).to.match(
        /^(?:redis-\d cannot be reached|Clicks cannot be watched) just now\.$/,
      );
      expect(ranMs() - startedMs).to.be.below(5_000);
      const followedMs = ranMs();
      expect((await send('GET', `${mapper.url}/${key}`)).status).to.equal(302);
      expect(ranMs() - followedMs).to.be.below(500);
      await until('the end of the stream', () => client.hasEnded);
      expect(await listeners(mapper.adminUrl)).to.equal('0');
      await mapper.terminate();
      for (const { proxy } of redis) await proxy.stop();
    });
});

describe('links that are watched on one Redis', () => {
  it('there is room for 256; one that nobody watches any more makes room', async () => {
    const [redis] = await testRedis(1);
    const streams = new LiveStreams({ ...(redis ?? expect.fail()), log });
    await until('a connection', async () => streams.watch([]));
    const keys = Array.from({ length: MAX_WATCHED }, (_, at) => `key-${at}`);
    const watch = async (...names: string[]): ReturnType<LiveStreams['watch']> =>
      streams.watch(names.map((key) => ({ key, owner: `owner of ${key}` })));
    expect((await watch(...keys)).refused).to.deep.equal([]);
    const one = await watch('one-more', 'key-0');
    expect(one.refused).to.deep.equal(['one-more']);
    expect(one.watched).to.have.members(keys);
    const client = new Redis(redis?.url ?? '');
    // As if nobody had watched it for six seconds.
    await client.zincrby('live:watched', -6_000, 'key-7');
    const two = await watch('one-more', 'another');
    expect(two.refused).to.deep.equal(['another']);
    expect(two.watched).to.include('one-more').and.not.include('key-7');
    expect(await streams.add('key-7', { humans: 1, bots: 0, details: '[]' })).to.equal(false);
    expect(await streams.add('key-8', { humans: 1, bots: 0, details: '[]' })).to.equal(true);
    // All of it goes when nobody watches.
    for (const name of await client.keys('*')) {
      if (name === 'live:watched') continue;
      expect(await client.pttl(name), name).to.be.within(1, 60_000);
    }
    client.disconnect();
    await streams[Symbol.asyncDispose]();
  });

  it('one owner has 32 of them at most; one that nobody watches any more makes room', async () => {
    const [redis] = await testRedis(1);
    const streams = new LiveStreams({ ...(redis ?? expect.fail()), log });
    await until('a connection', async () => streams.watch([]));
    const watch = async (owner: string, ...keys: string[]): Promise<string[]> =>
      (await streams.watch(keys.map((key) => ({ key, owner })))).refused;
    const keys = Array.from({ length: MAX_WATCHED_OF_OWNER }, (_, at) => `key-${at}`);
    expect(await watch('1', ...keys, 'one-more')).to.deep.equal(['one-more']);
    expect(await watch('2', 'of-another')).to.deep.equal([]);
    expect(await watch('1', ...keys), 'they stay watched').to.deep.equal([]);
    const client = new Redis(redis?.url ?? '');
    for (const name of ['live:watched', 'live:watched:1']) await client.zincrby(name, -6_000, 'key-7');
    expect(await watch('1', 'one-more')).to.deep.equal([]);
    expect((await streams.watch([])).watched)
      .to.include('one-more')
      .and.not.include('key-7');
    client.disconnect();
    await streams[Symbol.asyncDispose]();
  });
});

async function listeners(adminUrl: string): Promise<string> {
  const { text } = await send('GET', `${adminUrl}/metrics`);
  return /^keymill_live_listeners (\d+)$/m.exec(text)?.[1] ?? '';
}
