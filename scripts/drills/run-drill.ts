import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../../runtime/errors.ts';
import type { Progress } from '../cluster/progress.ts';
import type { DrillCluster } from './stage/cluster.ts';
import { auditUntilClean } from './check/audit.ts';
import { countClaims, readClaims } from './check/claims.ts';
import { checkLinks } from './check/links.ts';
import { checkClaims, ReignChecker } from './check/reigns.ts';
import { TallyKeeper } from './check/tally.ts';
import { distributionOf, FaultTallyKeeper, RecoveryKeeper } from './check/windows.ts';
import type { Drill, DrillReport, Limits } from './drill.ts';
import { countFenced, sizesOf } from './watch/fenced.ts';
import { missedGoals } from './goals.ts';
import { History, readHistory } from './load/history.ts';
import { Load } from './load/load.ts';
import { seededRandom } from './random.ts';
import { UsageError } from '../operator/errors.ts';
import { QUIET_TIMEOUT_MS, untilQuiet } from './stage/quiet.ts';
import { Stage } from './stage/stage.ts';
import { LockWatch } from './watch/locks.ts';
import { ReignWatch } from './watch/reigns.ts';

export interface DrillOptions {
  readonly rounds: number | undefined;
  readonly seed: number;
  readonly rate: number;
  readonly seconds: number;
  readonly faults: number;
}

/** The load runs this long before the first fault and after the last. */
const CALM_MS = 1_000;
const AUDIT_TIMEOUT_MS = 90_000;

/**
 * One drill from load to verdict: starts the load and the observers, plays the rounds, heals, waits until the cluster is quiet, and
 * checks the history and the stores.
 */
export async function runDrill(
  drill: Drill,
  options: DrillOptions,
  cluster: DrillCluster,
  progress: Progress,
  signal: AbortSignal,
): Promise<DrillReport> {
  const trouble = await untilQuiet(() => cluster.file, QUIET_TIMEOUT_MS);
  if (trouble.length > 0)
    throw new UsageError(`the cluster is not at rest before the drill: ${trouble.join('; ')}`);
  const runId = `${drill.name}-${Date.now().toString(36)}`;
  const folder = join(cluster.runDir.path, 'drills');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const history = new History(join(folder, `${runId}.jsonl`));
  const random = seededRandom(options.seed);
  const { redis, keysDbs } = cluster.file;
  const logSizes = sizesOf(cluster);
  const claimedBefore = new Map(
    await Promise.all(keysDbs.map(async (keysDb) => [keysDb.name, await countClaims(keysDb)] as const)),
  );
  const reigns = new ReignWatch(redis, keysDbs, history);
  const locks = new LockWatch(
    cluster.session,
    cluster.shards,
    () => history.nowMs,
    (shard, holder) => {
      const event = holder === undefined ? `${shard} is free` : `${shard} is ${holder.owner ?? 'somebody'}'s`;
      history.append({ op: 'event', at: history.nowMs, event });
    },
  );
  const load = new Load({
    runId,
    rate: options.rate,
    mappers: () => cluster.file.mappers,
    history,
    random: seededRandom(options.seed + 1),
  });
  const stage = new Stage({
    cluster,
    history,
    load,
    locks,
    random,
    seconds: options.seconds,
    faults: options.faults,
    signal,
    limits: LIMITS,
    onEvent: ({ event }) => progress.line(`${drill.name}: ${event}`),
  });
  const rounds = options.rounds ?? drill.rounds;
  try {
    await play(drill, stage, rounds);
    await load.stop();
  } finally {
    await stage.undoAll();
    await load.stop();
    locks[Symbol.dispose]();
    await reigns.stop();
    await history.close();
  }
  const verdict = await judge(drill, stage, runId, claimedBefore);
  await load.balancer.stop();
  return {
    name: drill.name,
    seed: options.seed,
    rounds,
    rate: options.rate,
    ...verdict,
    fenced: countFenced(cluster, logSizes),
    timeline: stage.timeline,
    historyFile: history.path,
  };
}

async function play(drill: Drill, stage: Stage, rounds: number): Promise<void> {
  stage.event('the load runs');
  await stage.pause(CALM_MS);
  for (let round = 1; round <= rounds && stage.violations.length === 0; round++) {
    await playRound(drill, stage, round);
    await stage.undoAll();
    await stage.quiet();
  }
  await stage.pause(CALM_MS);
  stage.event('quiet again; checking');
}

/** A round that breaks off is a violation like any other: the cluster is healed and checked all the same. */
async function playRound(drill: Drill, stage: Stage, round: number): Promise<void> {
  const { signal } = stage.options;
  const { promise: interrupted, reject } = Promise.withResolvers<never>();
  const interrupt = (): void => reject(signal.reason);
  signal.addEventListener('abort', interrupt, { once: true });
  try {
    await Promise.race([drill.round(stage, round), interrupted]);
  } catch (error) {
    signal.throwIfAborted();
    stage.violation(`round ${round} broke off: ${messageOf(error)}`);
  } finally {
    signal.removeEventListener('abort', interrupt);
  }
}

type Verdict = Omit<DrillReport, 'name' | 'seed' | 'rounds' | 'rate' | 'fenced' | 'timeline' | 'historyFile'>;

async function judge(
  drill: Drill,
  stage: Stage,
  runId: string,
  claimedBefore: ReadonlyMap<string, number>,
): Promise<Verdict> {
  const { cluster, load, options } = stage;
  const goals = drill.goals(LIMITS);
  const tallies = new TallyKeeper();
  const during = new FaultTallyKeeper(stage.windows, goals.graceMs ?? 1_000);
  const { forgiven, healedMs } = stage;
  const recovery = new RecoveryKeeper(healedMs ?? Infinity);
  const reignChecker = new ReignChecker(forgiven);
  for await (const entry of readHistory(options.history.path)) {
    tallies.add(entry);
    during.add(entry);
    recovery.add(entry);
    if (entry.op === 'reign') reignChecker.add(entry);
  }
  const tally = tallies.result();
  const links = await checkLinks(options.history.path, runId, load.balancer);
  const claims = await Promise.all(
    cluster.file.keysDbs.map(async (keysDb) =>
      checkClaims(keysDb.name, await readClaims(keysDb), {
        after: claimedBefore.get(keysDb.name) ?? 0,
        renumbered: forgiven.has(keysDb.name),
      }),
    ),
  );
  const audit = await auditUntilClean(cluster.runDir, AUDIT_TIMEOUT_MS);
  const unowned = stage.locks.gapsSince(0).map(({ fromMs, toMs }) => (toMs ?? stage.nowMs) - fromMs);
  const figures = {
    ...tally,
    lost: Math.max(tally.lost, links.lost),
    wrongTarget: tally.wrongTarget + links.wrongTarget,
    duplicates: tally.duplicates + (audit?.duplicates ?? 0),
    leaked: audit?.leaked ?? null,
    unownedMs: distributionOf(unowned),
    deadMs: distributionOf(stage.deadMs),
    takeoverMs: Math.round(Math.max(0, ...stage.takeoversMs)),
    unavailableMs: Math.round(tally.unavailableMs),
    backMs: healedMs === undefined ? null : Math.round(recovery.backMs),
    boundMs: goals.deadMaxMs ?? goals.unownedMaxMs ?? null,
    during: during.summary(),
  };
  const violations = [
    ...stage.violations,
    ...tally.violations,
    ...links.violations,
    ...reignChecker.result(),
    ...claims.flat(),
    ...(audit === undefined ? ['no audit could be had'] : []),
    ...(audit === undefined || audit.balanced ? [] : ['the audit does not balance']),
    ...(audit !== undefined && audit.leaked > 0
      ? [`${audit.leaked} keys are leaked and were not recycled`]
      : []),
    ...(audit !== undefined && audit.duplicates > 0
      ? [`${audit.duplicates} keys have more than one link`]
      : []),
    ...missedGoals(goals, figures, during.tally),
  ];
  return { ...figures, violations, passed: violations.length === 0 };
}

/** As `up` sets them. */
const LIMITS: Limits = {
  sessionTimeoutMs: Number(process.env['KEYMILL_SESSION_TIMEOUT_MS'] ?? 2_000),
  tickMs: 500,
};
