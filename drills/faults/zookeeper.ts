import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { getRoles } from '../cluster/ensemble.ts';
import type { Drill } from '../run/drill.ts';
import { killFor, stopFor } from '../run/outage.ts';

/** Drills on the ZooKeeper ensemble, and on the data in it. */

const SERVER_DOWN_MS = 10_000;
const QUORUM_LOST_MS = 30_000;

const zkServer: Drill = {
  name: 'zk-server',
  does:
    'Kills the leader for 10 s, then stops the leader by SIGSTOP for 10 s, then a follower. Sessions ' +
    'survive, and reigns continue under the same epoch.',
  needs: [],
  rounds: 1,
  parts: ['leader killed', 'leader stopped', 'follower stopped'],
  round: async (run, part) => {
    const before = run.reigns.of(run.cluster.shards);
    const { leader, followers } = await getRoles(run.cluster);
    if (part === 'leader killed') await killFor(run, [leader], SERVER_DOWN_MS);
    else await stopFor(run, part === 'leader stopped' ? leader : run.pick(followers), SERVER_DOWN_MS);
    await run.pause(1_000);
    run.reigns.expectSame(before);
  },
};

const zkQuorum: Drill = {
  name: 'zk-quorum',
  does:
    'Kills two of three servers for 30 s. Producers pause, mappers serve from the pools, and all reigns ' +
    'resume.',
  needs: [],
  rounds: 1,
  round: async (run) => {
    const before = run.reigns.of(run.cluster.shards);
    const { leader, followers } = await getRoles(run.cluster);
    await killFor(run, [leader, run.pick(followers)], QUORUM_LOST_MS);
    await run.untilQuiesced();
    run.reigns.expectSameInSurvivingSessions(before);
  },
};

const zkWiped: Drill = {
  name: 'zk-wiped',
  does:
    'Deletes all data of ZooKeeper. No producer contends until an operator adopts the empty ensemble. ' +
    'After that, epochs continue to rise.',
  needs: [],
  rounds: 1,
  isDestructive: true,
  round: async (run) => {
    const { cluster } = run;
    const names = cluster.file.zookeeper.servers.map(({ id }) => `zookeeper-${id}`);
    run.undoLater('restart', async () => cluster.startMissing());
    const end = run.beginFault('kill -9 of the whole ensemble, and its data is deleted');
    await Promise.all(names.map(async (name) => cluster.kill(name)));
    for (const name of names) await rm(join(cluster.runDir.dataOf(name), 'data'), { recursive: true });
    await run.undo('restart');
    // Long enough for every producer to connect again and to contend, which would be wrong.
    await run.pause(5 * run.limits.sessionTimeoutMs);
    if (run.locks.holders().size > 0) run.violation('a producer took a lock before the ensemble was adopted');
    run.event('keymill zookeeper adopt');
    await cluster.keymill('zookeeper', 'adopt');
    end();
  },
};

const lockDeleted: Drill = {
  name: 'lock-deleted',
  does:
    'An operator deletes a lock with zkCli. The old holder stops, and at most one producer holds the lock ' +
    'at any time.',
  needs: [],
  rounds: 5,
  round: async (run) => {
    const { producer, shards } = run.pickHolder();
    const shard = run.pick(shards);
    const before = run.reigns.of([shard]);
    const end = run.beginFault(`zkCli deletes /shard-locks/${shard}, which ${producer} holds`);
    const startedMs = run.nowMs;
    await run.cluster.keymill('zk', 'delete', `/shard-locks/${shard}`);
    // zkCli returns long after the deletion, so the time of the fault comes from the watch.
    const sinceMs = Math.min(run.nowMs, ...run.locks.gapsSince(startedMs).map(({ fromMs }) => fromMs));
    await run.reigns.untilTakenOver(before, sinceMs);
    end();
  },
};

export const ZOOKEEPER_DRILLS: readonly Drill[] = [zkServer, zkQuorum, zkWiped, lockDeleted];
