import { expect } from 'chai';
import { ACL, createClient, Id, Permission } from 'node-zookeeper-client';
import type { LockHolder } from '../../coordinator/lock-holder.ts';
import { readLocks, releaseLock, sweepOwnNodes, watchLocks } from '../../coordinator/lock-view.ts';
import { isHeld, tryAcquire, type HeldLock } from '../../coordinator/lock.ts';
import { lockPath, PATHS } from '../../coordinator/paths.ts';
import type { Session } from '../../coordinator/session.ts';
import { isZooKeeperCreate } from '../../drills/proxy/proxy.ts';
import { aborted } from '../../runtime/aborted.ts';
import { ranMs } from '../ran-ms.ts';
import { until } from '../until.ts';
import { Harness, reattached, T } from './harness.ts';

const SHARD = 'keys-db-1';
const PATH = lockPath(SHARD);

describe('lock', () => {
  let harness: Harness;
  let first: Session;
  let second: Session;

  beforeEach(async () => {
    harness = await Harness.start();
    first = await harness.open();
    second = await harness.openDirect();
  });
  afterEach(async () => {
    await harness.stop();
  });

  async function acquire(session: Session, owner = 'producer-1'): Promise<HeldLock> {
    const result = await tryAcquire(session, PATH, { owner, host: 'host-1', pid: 17 });
    if (!isHeld(result)) throw new Error(`taken by ${result.takenBy.raw}`);
    return result;
  }

  async function holder(session: Session): Promise<LockHolder | undefined> {
    return (await readLocks(session)).get(SHARD);
  }

  it('has one holder at a time, and names it', async () => {
    const lock = await acquire(first);
    expect(lock.mayWrite()).to.equal(true);
    const result = await tryAcquire(second, PATH, { owner: 'producer-2', host: 'host-2', pid: 18 });
    expect(isHeld(result)).to.equal(false);
    await lock.publishEpoch(7);
    // A read from another server may be older than the write.
    const seen = await until('the epoch', async () => {
      const found = await holder(second);
      return found?.epoch === 7 ? found : undefined;
    });
    expect(seen).to.include({
      kind: 'ours',
      owner: 'producer-1',
      host: 'host-1',
      pid: 17,
      epoch: 7,
      session: first.id,
    });
    expect(seen?.czxid).to.equal(lock.czxid);
    expect(Object.keys(JSON.parse(seen?.raw ?? ''))).to.deep.equal([
      'owner',
      'host',
      'pid',
      'session',
      'since',
      'nonce',
      'epoch',
    ]);
  });

  it('is given to exactly one of many contenders at the same time', async () => {
    const sessions = await Promise.all(Array.from({ length: 8 }, async () => harness.open()));
    const results = await Promise.all(
      sessions.map(async (session) => tryAcquire(session, PATH, { owner: session.id, host: 'h', pid: 1 })),
    );
    expect(results.filter(isHeld).length).to.equal(1);
  });

  it('is seen free by a contender within milliseconds of a graceful close', async () => {
    await acquire(first);
    let freeAtMs = 0;
    let seen = false;
    watchLocks(second, (locks) => {
      if (locks.has(SHARD)) seen = true;
      else if (seen) freeAtMs = ranMs();
    });
    await until('the contender to see it taken', () => seen);
    const began = ranMs();
    await first.close();
    await until('the contender to see it free', () => freeAtMs > 0);
    expect(freeAtMs - began).to.be.lessThan(T / 6);
  });

  it('is free immediately after its release, which ends the holding', async () => {
    const lock = await acquire(first);
    await lock.release();
    expect(lock.signal.aborted).to.equal(true);
    expect(lock.mayWrite()).to.equal(false);
    expect(isHeld(await tryAcquire(second, PATH, { owner: 'p2', host: 'h', pid: 1 }))).to.equal(true);
    await lock.release();
    expect((await holder(first))?.owner).to.equal('p2');
  });

  it('ends within milliseconds when an operator deletes its node', async () => {
    const lock = await acquire(first);
    // The operator may be connected to a server that is behind.
    await until('the lock to be seen', async () => (await holder(second)) !== undefined);
    const gone = aborted(lock.signal);
    const released = await releaseLock(second, SHARD, lock.czxid);
    expect(released.owner).to.equal('producer-1');
    await gone;
    expect(lock.mayWrite()).to.equal(false);
  });

  it('is not released when an operator names the lock of an earlier holder', async () => {
    const lock = await acquire(first);
    await lock.release();
    await acquire(second, 'producer-2');
    const error = await releaseLock(first, SHARD, lock.czxid).catch((reason: unknown) => reason);
    expect(error).to.have.property('code', 'NO_NODE');
    expect((await holder(first))?.owner).to.equal('producer-2');
  });

  it('of a successor is neither changed nor deleted by a holder that was cut off', async () => {
    const lock = await acquire(first);
    harness.each((proxy) => proxy.silence());
    await second.remove(PATH, 0);
    const successor = await acquire(second, 'producer-2');
    await until('suspended', () => !first.mayWrite());
    const { attachments } = first;
    harness.each((proxy) => proxy.heal());
    await reattached(first, attachments);
    await until('the holding to end', () => lock.signal.aborted);
    expect(await lock.publishEpoch(9).catch(({ code }: { code: string }) => code)).to.equal('NO_NODE');
    await lock.release();
    expect(await holder(second)).to.include({ owner: 'producer-2', epoch: null });
    expect(successor.mayWrite()).to.equal(true);
  });

  it('allows no write over a new connection before its node was read again', async () => {
    const lock = await acquire(first);
    const allowed: boolean[] = [];
    first.on('attached', () => allowed.push(lock.mayWrite()));
    const { attachments } = first;
    harness.proxyOf(first).cut();
    await reattached(first, attachments);
    expect(allowed).to.deep.equal([false]);
    await until('it may write again', () => lock.mayWrite());
    expect(lock.signal.aborted).to.equal(false);
  });

  it('is given back although its epoch is published while it is released', async () => {
    for (let time = 1; time <= 20; time += 1) {
      const lock = await acquire(first);
      const published = lock.publishEpoch(time).catch(() => undefined);
      await lock.release();
      expect(await holder(first)).to.equal(undefined);
      await published;
    }
  });

  it('ends with its session', async () => {
    const lock = await acquire(first);
    await first.close();
    expect(lock.signal.aborted).to.equal(true);
    expect(lock.mayWrite()).to.equal(false);
  });

  it('a create whose reply was lost is adopted by the next attempt', async () => {
    const { attachments } = first;
    await first.ensurePath(PATHS.locks);
    harness.proxyOf(first).cutBeforeReplyTo(isZooKeeperCreate);
    const lost = await tryAcquire(first, PATH, { owner: 'p1', host: 'h', pid: 1 }).catch(
      (error: unknown) => error,
    );
    expect(lost).to.have.property('code', 'OUTCOME_UNKNOWN');
    await reattached(first, attachments);
    await until('the node', async () => holder(second));
    const lock = await acquire(first);
    expect(lock.nonce).to.equal((await holder(second))?.nonce);
    await lock.publishEpoch(1);
    expect(await holder(second)).to.include({ nonce: lock.nonce, epoch: 1 });
  });

  it('a create that happens after its caller gave up is undone at the next attach, for good', async () => {
    await first.ensurePath(PATHS.locks);
    const { attachments } = first;
    harness.each((proxy) => proxy.silence());
    const info = { owner: 'p1', host: 'h', pid: 1 };
    expect(await tryAcquire(first, PATH, info).catch(({ code }: { code: string }) => code)).to.equal(
      'OUTCOME_UNKNOWN',
    );
    // The held data is delivered now, with the create. Late attempts to attach may disconnect us once more.
    harness.each((proxy) => proxy.heal());
    await reattached(first, attachments);
    await until('a sweep', async () => sweepOwnNodes(first, new Set()));
    const owners = new Set<string | undefined>();
    const began = performance.now();
    await until('one T', async () => {
      owners.add((await holder(second))?.ephemeralOwner);
      return performance.now() - began > T;
    });
    expect([...owners]).to.deep.equal([undefined]);
  });

  it('the sweep removes a node of ours that no caller waits for, and nothing else', async () => {
    const lock = await acquire(first);
    await first.create(lockPath('keys-db-2'), '{}', { ephemeral: true });
    await second.create(lockPath('keys-db-3'), '{}', { ephemeral: true });
    await second.create(lockPath('keys-db-4'), 'by hand', { ephemeral: false });
    expect(await sweepOwnNodes(first, new Set([PATH]))).to.deep.equal(['keys-db-2']);
    expect([...(await readLocks(second)).keys()]).to.deep.equal(['keys-db-1', 'keys-db-3', 'keys-db-4']);
    expect(lock.signal.aborted).to.equal(false);
  });

  it('shows and respects foreign nodes and garbage, which do no harm', async () => {
    await first.ensurePath(PATHS.locks);
    const garbage = [
      '',
      'by hand',
      '[]',
      'null',
      '7',
      '"x"',
      '{"owner":5,"pid":"x","epoch":1.5}',
      '{"owner":',
      '\u0000\uFFFD',
    ];
    for (const [index, data] of garbage.entries()) {
      const path = lockPath(`garbage-${index}`);
      await second.create(path, data, { ephemeral: index % 2 === 0 });
      const result = await tryAcquire(first, path, { owner: 'p1', host: 'h', pid: 1 });
      expect(isHeld(result), data).to.equal(false);
    }
    const forged = JSON.stringify({ owner: 'p9', nonce: 'n', session: first.id });
    await second.create(lockPath('forged'), forged, { ephemeral: true });
    // The server of one session learns a little later what another session has made.
    const locks = await until('all nodes to be seen', async () => {
      const seen = await readLocks(first);
      return seen.size > garbage.length && seen;
    });
    expect(locks.size).to.equal(garbage.length + 1);
    for (const { kind, epoch, pid } of locks.values()) {
      expect(kind).to.equal('foreign');
      expect([epoch, pid]).to.deep.equal([null, null]);
    }
    expect(locks.get('forged')?.raw).to.equal(forged);
  });

  it('treats a node that an ACL hides as foreign', async () => {
    await first.ensurePath(PATHS.locks);
    await createHidden(harness.direct, PATH);
    expect(isHeld(await tryAcquire(first, PATH, { owner: 'p1', host: 'h', pid: 1 }))).to.equal(false);
    await second.create(lockPath('keys-db-2'), '{}', { ephemeral: true });
    const locks = await until('both nodes to be seen', async () => {
      const seen = await readLocks(first);
      return seen.size > 1 && seen;
    });
    expect([...locks.keys()]).to.deep.equal(['keys-db-1', 'keys-db-2']);
    expect(locks.get(SHARD)).to.include({ kind: 'foreign', raw: '' });
  });

  it('refuses an invalid path and too much data, without harm', async () => {
    const wrong = [lockPath('a//b'), lockPath('..'), lockPath('')];
    for (const path of wrong) {
      const error = await tryAcquire(first, path, { owner: 'p1', host: 'h', pid: 1 }).catch(
        (e: unknown) => e,
      );
      expect(error).to.have.property('code', 'REFUSED');
    }
    const big = await first
      .create('/big', 'x'.repeat(1_048_577), { ephemeral: false })
      .catch((e: unknown) => e);
    expect(big).to.have.property('code', 'REFUSED');
    expect(first.mayWrite()).to.equal(true);
  });

  it('can be read before any lock exists, and watched before its parent node exists', async () => {
    expect((await readLocks(first)).size).to.equal(0);
    const seen: string[][] = [];
    watchLocks(first, (locks) => seen.push([...locks.keys()]));
    await until('a first look', () => seen.length > 0);
    await acquire(second);
    await until('the lock', () => seen.at(-1)?.includes(SHARD));
  });

  it('a watch sees the changes that happened while it was cut off', async () => {
    const seen: string[][] = [];
    watchLocks(first, (locks) => seen.push([...locks.keys()]));
    await until('a first look', () => seen.length > 0);
    harness.each((proxy) => proxy.silence());
    await acquire(second);
    await until('suspended', () => !first.mayWrite());
    harness.each((proxy) => proxy.heal());
    await until('the lock', () => seen.at(-1)?.includes(SHARD));
  });

  it('the number of watches stays the same, however often locks are read', async () => {
    await acquire(second);
    const lock = await acquireOther();
    watchLocks(first, () => undefined);
    for (let round = 0; round < 50; round += 1) {
      await first.exists(PATH, onChange);
      await readLocks(first, undefined, onChange);
      await lock.publishEpoch(round);
    }
    expect(first.watchCount).to.be.lessThan(15);
    const began = performance.now();
    await until('two T, with their regular reads', () => performance.now() - began > 2 * T);
    expect(first.watchCount).to.be.lessThan(15);
  });

  function onChange(): void {
    // Only counted.
  }

  async function acquireOther(): Promise<HeldLock> {
    const result = await tryAcquire(first, lockPath('keys-db-2'), { owner: 'p1', host: 'h', pid: 1 });
    if (!isHeld(result)) throw new Error('taken');
    return result;
  }
});

/** A node that no client may read. A person with other rights could leave one behind. */
async function createHidden(connect: string, path: string): Promise<void> {
  const client = createClient(connect);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  client.once('connected', () => {
    const acl = [new ACL(Permission.DELETE, new Id('world', 'anyone'))];
    client.create(path, Buffer.from('secret'), acl, (error) => {
      client.close();
      if (error) reject(new Error(String(error)));
      else resolve();
    });
  });
  client.connect();
  await promise;
}
