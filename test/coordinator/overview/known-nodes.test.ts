import { expect } from 'chai';
import { observe } from '../../../coordinator/observe.ts';
import { KnownNodes } from '../../../coordinator/overview/known-nodes.ts';
import { readCoordination } from '../../../coordinator/overview/coordination.ts';
import { lockPath } from '../../../coordinator/paths.ts';
import { isHeld, tryAcquire, type HeldLock } from '../../../coordinator/lock.ts';
import type { Session } from '../../../coordinator/session.ts';
import { until } from '../../until.ts';
import { Harness, reattached } from '../harness.ts';

const SHARDS = ['keys-db-1', 'keys-db-2', 'keys-db-3'];

describe('what a dashboard knows of a session', () => {
  let harness: Harness;
  let holder: Session;
  let viewer: Session;
  const stack = new DisposableStack();

  before(async () => {
    harness = await Harness.start();
    viewer = await harness.open();
    holder = await harness.openDirect();
  });
  after(async () => {
    stack.dispose();
    await harness.stop();
  });

  async function take(shard: string, owner: string): Promise<HeldLock> {
    const taken = await tryAcquire(holder, lockPath(shard), { owner, host: 'h', pid: 1 });
    if (!isHeld(taken)) throw new Error(`${shard} is taken`);
    return taken;
  }

  it('is what has changed, read alone, and everything after its connection was lost', async () => {
    const held: HeldLock[] = [];
    for (const shard of SHARDS) held.push(await take(shard, 'producer-1'));
    const nodes = stack.use(new KnownNodes(viewer));
    let seen: readonly (string | null | undefined)[] = [];
    const read: string[] = [];
    const get = viewer.get.bind(viewer);
    viewer.get = async (path, onChange) => {
      read.push(path);
      return get(path, onChange);
    };
    stack.use(
      observe(viewer, async (onChange) => {
        nodes.forgetOld();
        const { locks } = await readCoordination(nodes, onChange);
        seen = SHARDS.map((shard) => locks.get(shard)?.owner);
      }),
    );
    const owners = (...wanted: readonly (string | undefined)[]) =>
      until('all locks', () => seen.join() === wanted.join());
    await owners('producer-1', 'producer-1', 'producer-1');
    expect(read).to.include.members(SHARDS.map(lockPath));

    read.length = 0;
    await held[1]?.release();
    await owners('producer-1', undefined, 'producer-1');
    await take('keys-db-2', 'producer-2');
    await owners('producer-1', 'producer-2', 'producer-1');
    expect(new Set(read)).to.deep.equal(new Set([lockPath('keys-db-2')]));

    const { attachments } = viewer;
    harness.proxyOf(viewer).cut();
    await reattached(viewer, attachments);
    await until('everything to be read again', () =>
      SHARDS.map(lockPath).every((path) => read.includes(path)),
    );
    await held[0]?.release();
    await owners(undefined, 'producer-2', 'producer-1');
  });
});
