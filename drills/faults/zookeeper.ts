import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Drill } from '../drill.ts';
import { roles } from '../stage/ensemble.ts';
import { killFor, stopFor } from '../stage/outage.ts';
import { chooseHolder } from './processes.ts';

/** Drills on the ZooKeeper ensemble, and on what stands in it. */

const SERVER_DOWN_MS = 10_000;
const QUORUM_LOST_MS = 30_000;

const zkServer: Drill = {
  name: 'zk-server',
  does: 'the leader is killed, the leader is stopped for 10 s, a follower is stopped for 10 s: sessions survive and reigns resume under the same epoch',
  needs: [],
  rounds: 1,
  parts: ['leader killed', 'leader stopped', 'follower stopped'],
  round: async (stage, part) => {
    const before = stage.reignsOf(stage.cluster.shards);
    const { leader, followers } = await roles(stage);
    if (part === 'leader killed') await killFor(stage, [leader], SERVER_DOWN_MS);
    else await stopFor(stage, part === 'leader stopped' ? leader : stage.pick(followers), SERVER_DOWN_MS);
    await stage.pause(1_000);
    stage.expectSameReigns(before);
  },
};

const zkQuorum: Drill = {
  name: 'zk-quorum',
  does: 'two of three servers are killed for 30 s: producers pause, mappers serve from the pools, all resume',
  needs: [],
  rounds: 1,
  round: async (stage) => {
    const before = stage.reignsOf(stage.cluster.shards);
    const { leader, followers } = await roles(stage);
    await killFor(stage, [leader, stage.pick(followers)], QUORUM_LOST_MS);
    await stage.quiet();
    stage.expectSameReignsOfSessions(before);
  },
};

const zkWiped: Drill = {
  name: 'zk-wiped',
  wears: true,
  does: 'ZooKeeper comes back empty: nobody contends until an operator adopts it, then epochs go on rising',
  needs: [],
  rounds: 1,
  round: async (stage) => {
    const { cluster } = stage;
    const names = cluster.file.zookeeper.servers.map(({ id }) => `zookeeper-${id}`);
    stage.undoLater('restart', async () => cluster.startMissing());
    const end = stage.beginFault('the whole ensemble is killed and its data deleted');
    await Promise.all(names.map(async (name) => cluster.kill(name)));
    for (const name of names) await rm(join(cluster.runDir.dataOf(name), 'data'), { recursive: true });
    await stage.undo('restart');
    // Long enough for every producer to come back and, wrongly, to contend.
    await stage.pause(5 * stage.limits.sessionTimeoutMs);
    if (stage.locks.holders().size > 0)
      stage.violation('a lock was taken in an ensemble that nobody adopted');
    stage.event('keymill zookeeper adopt');
    await stage.keymill('zookeeper', 'adopt');
    end();
  },
};

const lockDeleted: Drill = {
  name: 'lock-deleted',
  does: 'an operator deletes a lock with zkCli: the old holder stops, at most one holds it at any time',
  needs: [],
  rounds: 5,
  round: async (stage) => {
    const { producer, shards } = chooseHolder(stage);
    const shard = stage.pick(shards);
    const before = stage.reignsOf([shard]);
    const end = stage.beginFault(`zkCli deletes /shard-locks/${shard}, which ${producer} holds`);
    const startedMs = stage.nowMs;
    await stage.keymill('zk', 'delete', `/shard-locks/${shard}`);
    // zkCli has long done it when it returns: the watch knows when.
    const sinceMs = Math.min(stage.nowMs, ...stage.locks.gapsSince(startedMs).map(({ fromMs }) => fromMs));
    await stage.takenOver(before, sinceMs);
    end();
  },
};

export const ZOOKEEPER_DRILLS: readonly Drill[] = [zkServer, zkQuorum, zkWiped, lockDeleted];
