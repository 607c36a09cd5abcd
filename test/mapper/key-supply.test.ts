import { expect } from 'chai';
import { slotOf } from '../../db/keyspace/placement.ts';
import type { DropReason } from '../../mapper/keys/held-keys.ts';
import { KeySupply, NoKeysError } from '../../mapper/keys/key-supply.ts';
import { type TakenKey } from '../../mapper/keys/taken-key.ts';
import type { UrlsServer } from '../../mapper/urls/urls-server.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import { createLog } from '../../runtime/log.ts';
import { until } from '../until.ts';
import { openTestPools, type TestPool } from './test-pools.ts';
import { randomKeys } from './world.ts';

/** The supply compares servers and does nothing else with them. */
const [lower, upper] = [{}, {}] as [UrlsServer, UrlsServer];

const log = createLog('test', 'key-supply', 'silent');

function serverAt(slot: number): UrlsServer {
  return slot < 16 ? lower : upper;
}

function keysOn(server: UrlsServer, count: number): string[] {
  return randomKeys(10 * count + 100)
    .filter((key) => serverAt(slotOf(key)) === server)
    .slice(0, count);
}

describe('the key supply', () => {
  let pools: TestPool[];
  let supply: KeySupply;
  let takes: string[];
  let bound: Set<string>;
  let checks: string[][];
  let dropped: Record<string, number>;
  /** How far the supply's clock is ahead. */
  let aheadMs: number;

  beforeEach(async () => {
    takes = [];
    bound = new Set();
    checks = [];
    dropped = {};
    aheadMs = 0;
    pools = await openTestPools(3, {
      onTake: (name) => takes.push(name),
      now: () => monotonicMs() + aheadMs,
    });
    supply = new KeySupply({
      pools: pools.map(({ watched }) => watched),
      reserve: 8,
      keyLength: 8,
      serverAt,
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
  });

  afterEach(async () => {
    for (const { proxy } of pools) proxy.heal();
    await supply.close();
    for (const pool of pools) await pool[Symbol.asyncDispose]();
  });

  function poolAt(index: number): TestPool {
    const pool = pools[index];
    if (pool === undefined) throw new Error(`no pool ${index}`);
    return pool;
  }

  async function fill(index: number, keys: readonly string[]): Promise<void> {
    await poolAt(index).client.rpush('keys:available', ...keys);
    await poolAt(index).watched.poll(500);
  }

  async function content(index: number): Promise<string[]> {
    return poolAt(index).client.lrange('keys:available', 0, -1);
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

  it('shares one take between all requests of one moment', async () => {
    await fill(0, randomKeys(500));
    const taken = await drawAll(200);
    expect(new Set(taken.map(({ key }) => key)).size).to.equal(200);
    expect(takes).to.have.length(1);
  });

  it('refills the reserve in the background, no further than its bound', async () => {
    await fill(0, randomKeys(500));
    for (let draw = 0; draw < 100; draw += 1) supply.bound(await supply.draw());
    await until('the reserve', async () => (await content(0)).length === 500 - 100 - supply.reserveSize);
    expect(supply.reserveSize).to.be.within(1, 8);
    expect(takes.length).to.be.lessThan(40);
  });

  it('gives a key with its slot and server, of the preferred server if it can', async () => {
    await fill(0, [...keysOn(lower, 3), ...keysOn(upper, 1)]);
    await supply.draw();
    await until('the reserve', () => supply.reserveSize === 3);
    const [first, second] = [supply.tryDraw(upper), supply.tryDraw(upper)];
    expect([first?.server, second?.server]).to.deep.equal([upper, lower]);
    expect([first?.slot, second?.slot]).to.deep.equal(
      [first, second].map((taken) => slotOf(taken?.key ?? '')),
    );
  });

  it('reports immediately that there are no keys', async () => {
    const startedAt = monotonicMs();
    const outcome = await supply.draw().catch((error: unknown) => error);
    expect(outcome).to.be.instanceOf(NoKeysError);
    expect(monotonicMs() - startedAt).to.be.lessThan(150);
  });

  it('finds keys in a pool that was empty when last seen', async () => {
    await poolAt(0).watched.poll(500);
    await poolAt(0).client.rpush('keys:available', 'abcdefgh');
    expect((await supply.draw()).key).to.equal('abcdefgh');
  });

  it('continues with the next pool when one runs out', async () => {
    await fill(0, randomKeys(5));
    await fill(1, randomKeys(4));
    const taken = await drawAll(9);
    expect(new Set(taken.map(({ from }) => from.name))).to.deep.equal(new Set(['redis-1', 'redis-2']));
  });

  it('draws elsewhere while a Redis hangs, and keeps the keys that come late', async () => {
    const late = randomKeys(50);
    await fill(0, late);
    await fill(1, randomKeys(20));
    poolAt(0).proxy.silence();
    const startedAt = monotonicMs();
    expect((await supply.draw()).from.name).to.equal('redis-2');
    expect(monotonicMs() - startedAt).to.be.within(400, 1_500);
    poolAt(0).proxy.heal();
    await until('late keys in the reserve', () =>
      late.slice(0, 8).every((key) => supply.heldKeys().includes(key)),
    );
  });

  it('stops asking a Redis that hangs, until a poll succeeds', async () => {
    await fill(0, randomKeys(50));
    await fill(1, randomKeys(50));
    poolAt(0).proxy.silence();
    for (let draw = 0; draw < 30; draw += 1) supply.bound(await supply.draw());
    expect(takes.filter((name) => name === 'redis-1')).to.have.length(1);
    expect(poolAt(0).watched.isHealthy).to.equal(false);
    poolAt(0).proxy.heal();
    await until('recovery', async () => {
      await poolAt(0).watched.poll(200);
      return poolAt(0).watched.isHealthy;
    });
  });

  it('lists every key it holds: in the reserve, drawn, and being checked', async () => {
    await fill(0, randomKeys(100));
    const taken = await drawAll(10);
    await until('the reserve', () => supply.reserveSize > 0);
    expect(supply.heldKeys()).to.have.length(10 + supply.reserveSize);
    for (const one of taken) expect(supply.heldKeys()).to.include(one.key);
    for (const one of taken) supply.bound(one);
    expect(supply.heldKeys()).to.have.length(supply.reserveSize);
  });

  it('returns the reserve to the head of the pool when closed, the keys of each server in order', async () => {
    const onLower = keysOn(lower, 50);
    const onUpper = keysOn(upper, 50);
    const keys = onLower.flatMap((key, index) => [key, onUpper[index] ?? '']);
    await fill(0, keys);
    const taken = await supply.draw();
    await until('the reserve', () => supply.reserveSize === 8);
    supply.bound(taken);
    const held = new Set(supply.heldKeys());
    await supply.close();
    const left = await content(0);
    expect(left.toSorted()).to.deep.equal(keys.filter((key) => key !== taken.key).toSorted());
    for (const ofServer of [onLower, onUpper]) {
      const inOrder = ofServer.filter((key) => held.has(key));
      const returned = left.slice(0, 8).filter((key) => ofServer.includes(key));
      expect(returned).to.deep.equal(inOrder);
      expect(returned).to.have.length(4);
    }
    expect(supply.heldKeys()).to.deep.equal([]);
    expect(await supply.draw().catch((error: unknown) => error)).to.be.instanceOf(NoKeysError);
  });

  it('returns keys that it has not needed for a long time, and continues to serve', async () => {
    const keys = keysOn(lower, 100);
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

  it('drops keys that it has held for longer than a mapper may', async () => {
    await fill(0, randomKeys(100));
    supply.bound(await supply.draw());
    await until('the reserve', () => supply.reserveSize > 0);
    const { reserveSize } = supply;
    aheadMs = 60_000;
    await supply.returnOlderThan(20_000);
    expect(dropped).to.deep.equal({ outdated: reserveSize });
    expect(supply.heldKeys()).to.deep.equal([]);
  });

  it('counts keys as dropped when their Redis is down and cannot take them back', async () => {
    await fill(0, randomKeys(100));
    const taken = await supply.draw();
    supply.bound(taken);
    await until('the reserve', () => supply.reserveSize > 0);
    const { reserveSize } = supply;
    await poolAt(0).proxy.stop();
    await until('the loss of the connection', () => !poolAt(0).watched.isHealthy);
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

  it('discards the keys of a pool full of bound keys before any request gets one', async () => {
    const stale = randomKeys(2_000);
    await fill(0, stale);
    for (const key of stale.slice(0, 1_900)) bound.add(key);
    poolAt(0).watched.suspect();
    const taken = await supply.draw();
    expect(bound.has(taken.key)).to.equal(false);
    expect(dropped['duplicate']).to.equal(1_900);
  });

  it('drops texts that are not keys, uses the keys between them, and rests from that pool', async () => {
    await fill(0, ['short', 'much-too-long', 'sp ace!!', 'SETTINGS', 'abcdefgh', 'ijklmnop']);
    const taken = [await supply.draw(), await supply.draw()];
    expect(taken.map(({ key }) => key)).to.deep.equal(['abcdefgh', 'ijklmnop']);
    await until('the drop', () => dropped['malformed'] === 4);
    expect(poolAt(0).watched.refusal).to.equal('malformed');
    await poolAt(0).watched.poll(500);
    expect(poolAt(0).watched.isHealthy).to.equal(false);
  });

  it('leaves a pool full of keys of another length as it is, and draws from it again when it has ours', async () => {
    const foreign = Array.from({ length: 1_000 }, (_, index) => `f${String(index).padStart(6, '0')}`);
    await fill(0, foreign);
    await fill(1, randomKeys(100));
    for (let draw = 0; draw < 48; draw += 1) expect((await supply.draw()).from.name).to.equal('redis-2');
    const { client, watched } = poolAt(0);
    await until('the keys to be back', async () => (await client.llen('keys:available')) === 1_000);
    expect((await client.lrange('keys:available', 0, -1)).toSorted()).to.deep.equal(foreign);
    expect(takes.filter((name) => name === 'redis-1')).to.have.length(1);
    expect(dropped).to.deep.equal({});
    await client.del('keys:available');
    await fill(0, randomKeys(1_000));
    expect(watched.refusal, 'at once').to.equal('malformed');
    aheadMs = 10_000;
    await watched.poll(500);
    expect(watched.isHealthy).to.equal(true);
    expect((await supply.draw()).key).to.have.length(8);
  });

  it('trusts a pool again after a take without any bound key', async () => {
    await fill(0, randomKeys(600));
    poolAt(0).watched.suspect();
    await supply.draw();
    expect(poolAt(0).watched.isSuspect).to.equal(false);
  });
});
