import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { checkLinks } from '../../drills/check/links.ts';
import type { Tally } from '../../drills/check/tally.ts';
import { auditUntilClean } from '../../drills/cluster/audit.ts';
import { ReopeningSession } from '../../drills/cluster/reopening-session.ts';
import { History } from '../../drills/history/history.ts';
import { Balancer, type Backend } from '../../drills/load/balancer.ts';
import { Load } from '../../drills/load/load.ts';
import { LockWatch } from '../../drills/watch/locks.ts';
import { createRandom } from '../../runtime/random.ts';
import { until } from '../until.ts';
import type { ContainerTestCluster } from './cluster.ts';
import { CLIENTS, verdictOf, type Verdict } from './verdict.ts';

const AUDIT_MS = 90_000;
export interface TrialOptions {
  /** The targets of the load; the mappers by default. */
  readonly backends?: () => readonly Backend[];
  readonly isAudited?: boolean;
}

/** What a fault needs. */
export interface Playing {
  readonly locks: LockWatch;
  readonly nowMs: () => number;
}

/**
 * Injects faults under load, heals them, and checks every acknowledged link at every mapper: none is lost,
 * duplicated or has another target. The audit must balance.
 * @returns what clients saw
 */
export async function trial(
  cluster: ContainerTestCluster,
  name: string,
  play: (playing: Playing) => Promise<void>,
  { backends = () => cluster.file.mappers, isAudited = true }: TrialOptions = {},
): Promise<Verdict> {
  const runId = `${name}-${Date.now().toString(36)}`;
  const folder = join(cluster.runDir.path, 'drills');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const history = new History(join(folder, `${runId}.jsonl`));
  const session = await ReopeningSession.open(cluster.file.zookeeper);
  const shards = cluster.file.keysDbs.map((keysDb) => keysDb.name);
  const locks = new LockWatch(
    session,
    shards,
    () => history.nowMs,
    () => undefined,
  );
  const load = new Load({ ...CLIENTS, runId, mappers: backends, history, random: createRandom(1) });
  try {
    await until('every shard to be seen held', () => locks.holders().size === shards.length);
    await until('the load to run', () => load.acked >= CLIENTS.rate, { timeoutMs: 30_000 });
    await play({ locks, nowMs: () => history.nowMs });
    const acked = load.acked;
    await until('the load to continue', () => load.acked >= acked + CLIENTS.rate, { timeoutMs: 60_000 });
  } finally {
    await load.stop();
    locks[Symbol.dispose]();
    await session.close();
    await history.close();
    await load.balancer.stop();
  }
  await cluster.quiet();
  const verdict = await verdictOf(history.path);
  await expectNothingLost(cluster, history.path, runId, verdict, isAudited);
  return verdict;
}

async function expectNothingLost(
  cluster: ContainerTestCluster,
  historyPath: string,
  runId: string,
  tally: Tally,
  isAudited: boolean,
): Promise<void> {
  const everyMapper = new Balancer(() => cluster.file.mappers);
  try {
    const links = await checkLinks(historyPath, runId, everyMapper);
    expect([...tally.violations, ...links.violations]).to.deep.equal([]);
    expect({ lost: links.lost, duplicates: tally.duplicates }).to.deep.equal({ lost: 0, duplicates: 0 });
    expect(links.checked).to.be.greaterThan(0);
  } finally {
    await everyMapper.stop();
  }
  if (!isAudited) return;
  const audit = await auditUntilClean(cluster.runDir, AUDIT_MS);
  expect(audit).to.include({ balanced: true, duplicates: 0 });
}
