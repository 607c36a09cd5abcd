import type { ChildProcess } from 'node:child_process';
import { expect } from 'chai';
import { slotOf } from '../../db/keyspace/placement.ts';
import { openClicksDb, type ClicksDb } from '../../db/clicks/clicks-db.ts';
import { until } from '../until.ts';
import { send, shorten } from './client.ts';
import { viaProxy, type Proxied } from './faulty.ts';
import { startMapperProcess } from './mapper-process.ts';
import { createWorld, type World } from './world.ts';

/** The beginning of a flush in MySQL's text protocol, for `cutBeforeReplyTo`. */
function isFlush(sent: Buffer): boolean {
  return sent[4] === 3 && sent.toString('latin1', 5, 22) === 'START TRANSACTION';
}

/** How long one flush may be under way. */
const FLUSH_DEADLINE_MS = 2_500;

describe('clicks', () => {
  let world: World;
  let dbs: ClicksDb[];
  const children: ChildProcess[] = [];
  const proxied: Proxied[] = [];

  beforeEach(async function () {
    this.timeout(60_000);
    world = await createWorld();
    await world.fill(0, 200);
    dbs = world.urls.map((urlsDb) => openClicksDb(urlsDb));
  });

  afterEach(async function () {
    this.timeout(60_000);
    for (const child of children.splice(0)) child.kill('SIGKILL');
    await world[Symbol.asyncDispose]();
    for (const { proxy } of proxied.splice(0)) await proxy.stop();
    await Promise.all(dbs.map(async (db) => db.close()));
  });

  async function proxyAll(): Promise<(World['urls'][number] & Proxied)[]> {
    const all = await Promise.all(world.urls.map(async (urlsDb) => viaProxy(urlsDb)));
    proxied.push(...all);
    return all;
  }

  async function stored(key: string): Promise<number> {
    return (await dbs[slotOf(key) < 16 ? 0 : 1]?.of(key))?.total ?? 0;
  }

  async function untilStored(key: string, clicks: number): Promise<void> {
    let seen = 0;
    const isThere = async (): Promise<boolean> => (seen = await stored(key)) >= clicks;
    await until(`${clicks} clicks of ${key}`, isThere).catch(() => undefined);
    expect(seen, key).to.equal(clicks);
  }

  async function link(url: string): Promise<string> {
    return String((await shorten(url, { long_url: 'https://example.com/' })).json()['unique_id']);
  }

  async function follow(url: string, key: string, times: number): Promise<void> {
    for (let time = 0; time < times; time += 1) {
      expect((await send('GET', `${url}/${key}`)).status).to.equal(302);
    }
  }

  /** Links on both servers. */
  async function links(url: string, count: number): Promise<string[]> {
    const keys: string[] = [];
    while (keys.length < count || new Set(keys.map((key) => slotOf(key) < 16)).size < 2)
      keys.push(await link(url));
    return keys;
  }

  it('are counted for each GET that is redirected, and for nothing else', async () => {
    const mapper = await world.start();
    const { url, adminUrl } = mapper;
    const key = await link(url);
    const expired = String(
      (
        await shorten(url, {
          long_url: 'https://example.com/',
          expiration_date: new Date(Date.now() + 1_500).toISOString(),
        })
      ).json()['unique_id'],
    );
    await follow(url, key, 5);
    expect((await send('GET', `${url}/${key}?utm_source=x`)).status).to.equal(302);
    expect((await send('HEAD', `${url}/${key}`)).status).to.equal(302);
    expect((await send('POST', `${url}/${key}`)).status).to.equal(405);
    expect((await send('GET', `${url}/not-there`)).status).to.equal(404);
    await until('expiry', async () => (await send('HEAD', `${url}/${expired}`)).status === 410);
    expect((await send('GET', `${url}/${expired}`)).status).to.equal(410);
    await untilStored(key, 6);
    expect((await send('GET', `${adminUrl}/metrics`)).text).to.match(/^keymill_clicks_stored_total 6$/m);
    await mapper.stop();
    expect([await stored(key), await stored('not-there'), await stored(expired)]).to.deep.equal([6, 0, 0]);
  });

  it('are not counted when the configuration says so', async () => {
    const mapper = await world.start({ clicks: { counted: false, flushMs: 10 } });
    const { url } = mapper;
    const key = await link(url);
    await follow(url, key, 3);
    await mapper.stop();
    expect(await stored(key)).to.equal(0);
  });

  it('are counted once by two mappers whose flushes lose their answers', async () => {
    const urlsDbs = await proxyAll();
    const stores = { urlsDbs };
    const mappers = await Promise.all([world.start({ stores }), world.start({ stores })]);
    const keys = await links(mappers[0].url, 4);
    let lost = 0;
    for (let round = 1; round <= 10; round += 1) {
      for (const { proxy } of urlsDbs) proxy.cutBeforeReplyTo((sent) => isFlush(sent) && ++lost > 0);
      for (const { url } of mappers) for (const key of keys) await follow(url, key, round);
      for (const key of keys) await untilStored(key, round * (round + 1));
    }
    expect(lost).to.be.at.least(10);
    for (const mapper of mappers) await mapper.stop();
    for (const key of keys) expect(await stored(key)).to.equal(110);
  }).timeout(60_000);

  it('wait for a urls server that is down, while the other’s are stored, and none is lost', async () => {
    const [first, second] = await proxyAll();
    if (!first || !second) throw new Error('two urls databases are needed');
    const mapper = await world.start({ stores: { urlsDbs: [first, second] } });
    const { url } = mapper;
    const keys = await links(url, 2);
    for (const key of keys) await follow(url, key, 1);
    for (const key of keys) await untilStored(key, 1);
    first.proxy.silence();
    for (const key of keys) await follow(url, key, 4);
    for (const key of keys.filter((each) => slotOf(each) >= 16)) await untilStored(key, 5);
    for (const key of keys.filter((each) => slotOf(each) < 16)) expect(await stored(key)).to.equal(1);
    first.proxy.heal();
    for (const key of keys) await untilStored(key, 5);
    await mapper.stop();
  }).timeout(60_000);

  it('are stored on SIGTERM, and stopping does not wait long for a server that is down', async () => {
    const [first, second] = await proxyAll();
    if (!first || !second) throw new Error('two urls databases are needed');
    const mapper = await world.start({
      stores: { urlsDbs: [first, second] },
      clicks: { counted: true, flushMs: 60_000 },
    });
    const { url } = mapper;
    const keys = await links(url, 2);
    for (const key of keys) await follow(url, key, 2);
    first.proxy.silence();
    const startedMs = performance.now();
    await mapper.stop();
    // Well within the 15 s after which a mapper is killed.
    expect(performance.now() - startedMs).to.be.below(10_000);
    for (const key of keys) expect(await stored(key)).to.equal(slotOf(key) < 16 ? 0 : 2);
  }).timeout(60_000);

  it('lose with kill -9 no more than one flush interval and the flush under way', async () => {
    const flushMs = 300;
    const { url, child, exited } = await startMapperProcess(world, (each) => children.push(each), {
      KEYMILL_CLICK_FLUSH_MS: String(flushMs),
    });
    const key = await link(url);
    const answeredMs: number[] = [];
    const startedMs = performance.now();
    while (performance.now() - startedMs < flushMs + FLUSH_DEADLINE_MS + 500) {
      await follow(url, key, 5);
      answeredMs.push(...Array.from({ length: 5 }, () => performance.now()));
    }
    const killedMs = performance.now();
    child.kill('SIGKILL');
    await exited;
    const kept = await stored(key);
    const due = answeredMs.filter((at) => at < killedMs - flushMs - FLUSH_DEADLINE_MS).length;
    expect(due).to.be.at.least(5);
    expect(kept).to.be.within(due, answeredMs.length);
  }).timeout(60_000);
});
