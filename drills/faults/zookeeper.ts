import { cp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { readMembers } from '../../coordinator/membership.ts';
import { PATHS } from '../../coordinator/paths.ts';
import { parseProducerMember } from '../../coordinator/overview/producer-member.ts';
import { signalProcess } from '../../scripts/servers/identity.ts';
import { getRoles } from '../cluster/ensemble.ts';
import type { DrillRun } from '../run/drill-run.ts';
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

/** Kills the whole ensemble, works on the data folders of its servers, and starts it again. */
async function restartEnsemble(
  run: DrillRun,
  whileDown: (dataDir: string) => Promise<void> = async () => undefined,
): Promise<void> {
  const { cluster } = run;
  const names = cluster.file.zookeeper.servers.map(({ id }) => `zookeeper-${id}`);
  run.undoLater('restart', async () => cluster.startMissing());
  await Promise.all(names.map(async (name) => cluster.kill(name)));
  for (const name of names) await whileDown(join(cluster.runDir.dataOf(name), 'data'));
  await run.undo('restart');
}

/** Kills every worker that holds a shard, so that each shard gets a new lock. */
async function renewLocks(run: DrillRun): Promise<void> {
  const before = run.reigns.of(run.cluster.shards);
  const sinceMs = run.nowMs;
  for (const producer of run.reigns.holdings().keys())
    signalProcess(await run.cluster.workerOf(producer), 'SIGKILL');
  await run.reigns.untilTakenOver(before, sinceMs);
}

/** Reports a violation for every shard that a producer would contend for, or gives another reason not to. */
async function expectRefusals(run: DrillRun, reason: string): Promise<void> {
  const { members } = await run.cluster.session.read(async (session) =>
    readMembers(session, PATHS.producers, parseProducerMember),
  );
  for (const [id, { refused }] of members) {
    for (const shard of run.cluster.shards) {
      if (!refused[shard]?.includes(reason))
        run.violation(`${id} does not say "${reason}" of ${shard}, but: ${refused[shard] ?? 'nothing'}`);
    }
  }
}

const olderOf = (dataDir: string): string => `${dataDir}.older`;

const zkRolledBack: Drill = {
  name: 'zk-rolled-back',
  does:
    'Puts an older copy of its data back into ZooKeeper. Every new lock looks older than those that the ' +
    'keys-dbs have recorded, so no producer contends, and each says why. An operator adopts the ensemble, and ' +
    'running producers go on. Epochs continue to rise.',
  needs: [],
  rounds: 1,
  isDestructive: true,
  round: async (run) => {
    const { cluster } = run;
    run.event('the ensemble is stopped, and its data is copied');
    await restartEnsemble(run, async (dataDir) => cp(dataDir, olderOf(dataDir), { recursive: true }));
    await run.untilQuiesced();
    // Each start of the whole ensemble raises the upper half of its transaction numbers. After one more, the
    // numbers of the new locks are above all that the older copy will give.
    run.event('the ensemble is restarted, and every shard gets a new lock');
    await restartEnsemble(run);
    await run.untilQuiesced();
    await renewLocks(run);
    const end = run.beginFault('the ensemble is stopped, and the older copy of its data is put back');
    await restartEnsemble(run, async (dataDir) => {
      await rm(dataDir, { recursive: true });
      await rename(olderOf(dataDir), dataDir);
    });
    // Long enough for the old sessions to end, and for every producer to connect again and to contend.
    await run.pause(5 * run.limits.sessionTimeoutMs);
    if (run.locks.holders().size > 0)
      run.violation('a producer holds a lock before the ensemble was adopted');
    await expectRefusals(run, 'has gone back');
    run.event('keymill zookeeper adopt');
    const adoptedMs = run.nowMs;
    await cluster.keymill('zookeeper', 'adopt');
    await run.waitFor(() => (run.locks.holders().size === cluster.shards.length ? true : undefined), {
      timeoutMs: 30_000,
      everyMs: 10,
      failure: 'not every shard has a holder 30 s after the adoption',
    });
    run.event(`every shard has a holder ${Math.round(run.nowMs - adoptedMs)} ms after the adoption began`);
    end();
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
    const end = run.beginFault('kill -9 of the whole ensemble, and its data is deleted');
    await restartEnsemble(run, async (dataDir) => rm(dataDir, { recursive: true }));
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

export const ZOOKEEPER_DRILLS: readonly Drill[] = [zkServer, zkQuorum, zkWiped, zkRolledBack, lockDeleted];
