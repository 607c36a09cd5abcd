import { expect } from 'chai';
import { Redis } from 'ioredis';
import { openPool, type Pool } from '../../db/redis/pool.ts';
import { Breaker } from '../../runtime/breaker.ts';
import { KeySupply, NoKeysError, type DropReason } from '../../mapper/keys/key-supply.ts';
import { type TakenKey } from '../../mapper/keys/taken-key.ts';
import { PoolView } from '../../mapper/keys/pool-view.ts';
import type { UrlsServer } from '../../mapper/urls/urls-server.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import { createLog } from '../../runtime/log.ts';
import { testRedis } from '../servers.ts';
import { until } from '../until.ts';
import { viaProxy, type Proxied } from './faulty.ts';
import { randomKeys } from './world.ts';

/** Told apart by identity alone; keys that begin with a digit lie on the second. */
const [lettersServer, digitsServer] = [{}, {}] as [UrlsServer, UrlsServer];

const log = createLog('test', 'key-supply', 'silent');

function keysOfLetters(count: number): string[] {
  return randomKeys(2 * count)
    .filter((key) => !/^\d/.test(key))
    .slice(0, count);
}

describe('the key supply', () => {
  let servers: (Proxied & { client: Redis })[];
  let pools: Pool[];
  let views: PoolView[];
  let supply: KeySupply;
  let takes: string[];
  let bound: Set<string>;
  let checks: string[][];
  let dropped: Record<string, number>;
  /** How far the supply's clock is ahead. */
  let aheadMs: number;

  beforeEach(async () => {
    servers = await Promise.all(
      (await testRedis(3)).map(async (server) => ({
        ...(await viaProxy(server)),
        client: new Redis(server.url),
      })),
    );
    takes = [];
    bound = new Set();
    checks = [];
    dropped = {};
    aheadMs = 0;
    pools = servers.map(({ name, url }) => {
      const pool = openPool({ name, url, log });
      const take = pool.take.bind(pool);
      pool.take = async (...args) => {
        takes.push(name);
        return take(...args);
      };
      return pool;
    });
    views = pools.map((pool) => {
      const breaker = new Breaker({ failures: 2, coolDownMs: 100, maxCoolDownMs: 200, now: monotonicMs });
      return new PoolView(pool, breaker, monotonicMs);
    });
    supply = createSupply(8);
    for (const pool of pools) expect(await pool.whenConnected(5_000)).to.equal(true);
  });

  afterEach(async () => {
    for (const { proxy } of servers) proxy.heal();
    await supply.close();
    for (const pool of pools) await pool[Symbol.asyncDispose]();
    for (const { client, proxy } of servers) {
      client.disconnect();
      await proxy.stop();
    }
  });

  function createSupply(reserve: number): KeySupply {
    return new KeySupply({
      pools: views,
      reserve,
      keyLength: 8,
      serverFor: (key) => (/^\d/.test(key) ? digitsServer : lettersServer),
      findBound: async (keys) => {
        checks.push([...keys]);
        return new Set(keys.filter((key) => bound.has(key)));
      },
      onDropped: (count, reason: DropReason) => {
        dropped[reason] = (dropped[reason] ?? 0) + count;
      },
      now: () => monotonicMs() + aheadMs,
      log,
    });
  }

  function viewAt(index: number): PoolView {
    const view = views[index];
    if (view === undefined) throw new Error(`no pool ${index}`);
    return view;
  }

  function serverAt(index: number): Proxied & { client: Redis } {
    const server = servers[index];
    if (server === undefined) throw new Error(`no server ${index}`);
    return server;
  }

  async function fill(index: number, keys: readonly string[]): Promise<void> {
    await serverAt(index).client.rpush('keys:available', ...keys);
    await viewAt(index).poll(500);
  }

  async function content(index: number): Promise<string[]> {
    return serverAt(index).client.lrange('keys:available', 0, -1);
  }

  async function drawAll(count: number): Promise<TakenKey[]> {
    return Promise.all(Array.from({ length: count }, async () => supply.draw()));
  }

  it('draws from the fullest pool by last known level', async () => {
    await fill(0, randomKeys(10));
    await fill(1, randomKeys(30));
    await fill(2, randomKeys(20));
    expect((await supply.draw()).from.name).to.equal('redis-2');
  });

  it('shares one take between all who ask at once', async () => {
    await fill(0, randomKeys(500));
    const taken = await drawAll(200);
    expect(new Set(taken.map(({ key }) => key)).size).to.equal(200);
    expect(takes).to.have.length(1);
  });

  it('tops the reserve up in the background, no further than its bound', async () => {
    await fill(0, randomKeys(500));
    for (let draw = 0; draw < 100; draw += 1) supply.bound(await supply.draw());
    await until('the reserve', async () => (await content(0)).length === 500 - 100 - supply.reserveSize);
    expect(supply.reserveSize).to.be.within(1, 8);
    expect(takes.length).to.be.lessThan(40);
  });

  it('gives a key of the server that is wanted, in the order they came, and of the one with most when there is none', async () => {
    await fill(0, ['aaaaaaaa', 'bbbbbbbb', '1ccccccc', 'dddddddd', '2eeeeeee', 'ffffffff']);
    expect((await supply.draw()).key).to.equal('aaaaaaaa');
    await until('the reserve', () => supply.reserveSize === 5);
    const drawn = [digitsServer, digitsServer, digitsServer].map((wanted) => supply.tryDraw(wanted)?.key);
    const rest = [supply.tryDraw(lettersServer)?.key, supply.tryDraw()?.key];
    expect([...drawn, ...rest]).to.deep.equal(['1ccccccc', '2eeeeeee', 'bbbbbbbb', 'dddddddd', 'ffffffff']);
    expect(supply.tryDraw(lettersServer)).to.equal(undefined);
  });

  it('says at once that there are no keys', async () => {
    const startedAt = monotonicMs();
    const outcome = await supply.draw().catch((error: unknown) => error);
    expect(outcome).to.be.instanceOf(NoKeysError);
    expect(monotonicMs() - startedAt).to.be.lessThan(150);
  });

  it('finds keys in a pool that was empty when last seen', async () => {
    await viewAt(0).poll(500);
    await serverAt(0).client.rpush('keys:available', 'abcdefgh');
    expect((await supply.draw()).key).to.equal('abcdefgh');
  });

  it('goes on to the next pool when one runs out', async () => {
    await fill(0, randomKeys(5));
    await fill(1, randomKeys(4));
    const taken = await drawAll(9);
    expect(new Set(taken.map(({ from }) => from.name))).to.deep.equal(new Set(['redis-1', 'redis-2']));
  });

  it('draws elsewhere while a Redis hangs, and keeps the keys that come late', async () => {
    const late = randomKeys(50);
    await fill(0, late);
    await fill(1, randomKeys(20));
    serverAt(0).proxy.silence();
    const startedAt = monotonicMs();
    expect((await supply.draw()).from.name).to.equal('redis-2');
    expect(monotonicMs() - startedAt).to.be.within(400, 1_500);
    serverAt(0).proxy.heal();
    await until('late keys in the reserve', () =>
      late.slice(0, 8).every((key) => supply.heldKeys().includes(key)),
    );
  });

  it('stops asking a Redis that hangs, until a poll finds it well', async () => {
    await fill(0, randomKeys(50));
    await fill(1, randomKeys(50));
    serverAt(0).proxy.silence();
    for (let draw = 0; draw < 30; draw += 1) supply.bound(await supply.draw());
    expect(takes.filter((name) => name === 'redis-1')).to.have.length(1);
    expect(viewAt(0).isHealthy).to.equal(false);
    serverAt(0).proxy.heal();
    await until('recovery', async () => {
      await viewAt(0).poll(200);
      return viewAt(0).isHealthy;
    });
  });

  it('names every key it holds: in reserve, drawn, and being checked', async () => {
    await fill(0, randomKeys(100));
    const taken = await drawAll(10);
    await until('the reserve', () => supply.reserveSize > 0);
    expect(supply.heldKeys()).to.have.length(10 + supply.reserveSize);
    for (const one of taken) expect(supply.heldKeys()).to.include(one.key);
    for (const one of taken) supply.bound(one);
    expect(supply.heldKeys()).to.have.length(supply.reserveSize);
  });

  it('returns the reserve to the head, those of each server in order, when closed', async () => {
    const letters = keysOfLetters(50);
    const digits = letters.map((key) => `7${key.slice(1)}`);
    const keys = letters.flatMap((key, index) => [key, digits[index] ?? '']);
    await fill(0, keys);
    const taken = await supply.draw();
    await until('the reserve', () => supply.reserveSize === 8);
    const held = new Set(supply.heldKeys());
    supply.giveBack(taken);
    await supply.close();
    const left = await content(0);
    expect(left.toSorted()).to.deep.equal(keys.toSorted());
    for (const ofServer of [letters, digits]) {
      const inOrder = ofServer.filter((key) => held.has(key) && key !== taken.key);
      const returned = left.slice(0, 9).filter((key) => ofServer.includes(key) && key !== taken.key);
      expect(returned).to.deep.equal(inOrder);
      expect(returned).to.have.length(4);
    }
    expect(supply.heldKeys()).to.deep.equal([]);
    expect(await supply.draw().catch((error: unknown) => error)).to.be.instanceOf(NoKeysError);
  });

  it('returns what was not needed for long, and goes on serving', async () => {
    const keys = keysOfLetters(100);
    await fill(0, keys);
    const taken = await supply.draw();
    await until('the reserve', () => supply.reserveSize > 0);
    await supply.returnOlderThan(60_000);
    expect(supply.reserveSize).to.be.greaterThan(0);
    aheadMs = 60_000;
    await supply.returnOlderThan(50_000);
    expect(supply.reserveSize).to.equal(0);
    expect(dropped).to.deep.equal({});
    expect(supply.heldKeys()).to.deep.equal([taken.key]);
    expect(await content(0)).to.deep.equal(keys.slice(1));
    expect((await supply.draw()).key).to.equal(keys[1]);
  });

  it('gives up what it has held for longer than any mapper may', async () => {
    await fill(0, randomKeys(100));
    supply.bound(await supply.draw());
    await until('the reserve', () => supply.reserveSize > 0);
    const { reserveSize } = supply;
    aheadMs = 60_000;
    await supply.returnOlderThan(20_000);
    expect(dropped).to.deep.equal({ outdated: reserveSize });
    expect(supply.heldKeys()).to.deep.equal([]);
  });

  it('counts as dropped what a Redis that is down cannot take back', async () => {
    await fill(0, randomKeys(100));
    const taken = await supply.draw();
    supply.bound(taken);
    await until('the reserve', () => supply.reserveSize > 0);
    const { reserveSize } = supply;
    await serverAt(0).proxy.stop();
    await until('the loss of the connection', () => !viewAt(0).isHealthy);
    await supply.close();
    expect(dropped).to.deep.equal({ not_returned: reserveSize });
  });

  it('checks the whole reserve from a pool in one read after a duplicate, and draws elsewhere first', async () => {
    const stale = randomKeys(100);
    await fill(0, stale);
    for (const key of stale.slice(0, 60)) bound.add(key);
    const taken = await supply.draw();
    await until('the reserve', () => supply.reserveSize >= 4);
    await fill(1, randomKeys(3));
    const inReserve = supply.reserveSize;
    supply.duplicate(taken);
    await until('the check', () => dropped['duplicate'] === inReserve + 1);
    expect(checks).to.have.length(1);
    expect(supply.reserveSize).to.equal(0);
    expect((await supply.draw()).from.name).to.equal('redis-2');
  });

  it('reads its way through a pool full of bound keys before any request sees one', async () => {
    const stale = randomKeys(2_000);
    await fill(0, stale);
    for (const key of stale.slice(0, 1_900)) bound.add(key);
    viewAt(0).suspect();
    const taken = await supply.draw();
    expect(bound.has(taken.key)).to.equal(false);
    expect(dropped['duplicate']).to.equal(1_900);
  });

  it('drops what is no key, and goes on', async () => {
    await fill(0, ['short', 'much-too-long', 'sp ace!!', 'SETTINGS', 'abcdefgh', 'ijklmnop']);
    const taken = [await supply.draw(), await supply.draw()];
    expect(taken.map(({ key }) => key)).to.deep.equal(['abcdefgh', 'ijklmnop']);
    expect(dropped).to.deep.equal({ malformed: 4 });
  });

  it('trusts a pool again after a take without any bound key', async () => {
    await fill(0, randomKeys(600));
    viewAt(0).suspect();
    await supply.draw();
    expect(viewAt(0).isSuspect).to.equal(false);
  });
});
