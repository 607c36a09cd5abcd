import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../runtime/errors.ts';
import { createRandom } from '../runtime/random.ts';
import type { ProgressLog } from '../scripts/cluster/progress-log.ts';
import type { DrillCluster } from './stage/cluster.ts';
import { countClaims } from './check/claims.ts';
import { judge } from './check/verdict.ts';
import { distributionOf } from './check/windows.ts';
import type { Drill, DrillReport } from './drill.ts';
import type { Limits } from './goals.ts';
import { countFencedFromNow } from './watch/fenced.ts';
import { History } from './load/history.ts';
import { Load } from './load/load.ts';
import { UsageError } from '../runtime/terminal/errors.ts';
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

/**
 * One drill from load to verdict: starts the load and the observers, plays the rounds, heals, waits until the cluster is quiet, and
 * checks the history and the stores.
 */
export async function runDrill(
  drill: Drill,
  options: DrillOptions,
  cluster: DrillCluster,
  progress: ProgressLog,
  signal: AbortSignal,
): Promise<DrillReport> {
  const trouble = await untilQuiet(() => cluster.file, QUIET_TIMEOUT_MS);
  if (trouble.length > 0)
    throw new UsageError(`the cluster is not at rest before the drill: ${trouble.join('; ')}`);
  const runId = `${drill.name}-${Date.now().toString(36)}`;
  const folder = join(cluster.runDir.path, 'drills');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const history = new History(join(folder, `${runId}.jsonl`));
  const random = createRandom(options.seed);
  const { redis, keysDbs } = cluster.file;
  const countFenced = countFencedFromNow(cluster);
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
  await using load = new Load({
    runId,
    rate: options.rate,
    mappers: () => cluster.file.mappers,
    history,
    random: createRandom(options.seed + 1),
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
  const verdict = await judge(drill, stage, { runId, rounds, claimedBefore });
  return {
    name: drill.name,
    seed: options.seed,
    rounds,
    rate: options.rate,
    ...verdict,
    fenced: countFenced(),
    timeline: stage.timeline,
    historyFile: history.path,
  };
}

async function play(drill: Drill, stage: Stage, rounds: number): Promise<void> {
  stage.event('the load runs');
  await stage.pause(CALM_MS);
  for (const part of drill.parts ?? ['']) {
    if (part !== '') stage.beginPart(part);
    for (let round = 1; round <= rounds && stage.violations.length === 0; round++) {
      await playRound(drill, stage, round, part);
      await stage.undoAll();
      await stage.quiet();
      for (const id of stage.cluster.takeDiedAlone()) stage.violation(`${id} ended by itself`);
    }
  }
  await stage.pause(CALM_MS);
  stage.event('quiet again; checking');
}

/** A round that breaks off is a violation like any other: the cluster is healed and checked all the same. */
async function playRound(drill: Drill, stage: Stage, round: number, part: string): Promise<void> {
  const { signal } = stage.options;
  const { promise: interrupted, reject } = Promise.withResolvers<never>();
  const interrupt = (): void => reject(signal.reason);
  signal.addEventListener('abort', interrupt, { once: true });
  try {
    await Promise.race([drill.round(stage, part), interrupted]);
  } catch (error) {
    signal.throwIfAborted();
    stage.violation(`round ${round} broke off: ${messageOf(error)}`);
  } finally {
    signal.removeEventListener('abort', interrupt);
  }
}

/** As `up` sets them. */
const LIMITS: Limits = {
  sessionTimeoutMs: Number(process.env['KEYMILL_SESSION_TIMEOUT_MS'] ?? 2_000),
  tickMs: 500,
  reserve: Number(process.env['KEYMILL_RESERVE'] ?? 256),
};

/** The report of a drill that could not be played: a failure, with its reason. */
export function unplayedReport({ name, rounds }: Drill, options: DrillOptions, reason: string): DrillReport {
  const none = distributionOf([]);
  return {
    name,
    seed: options.seed,
    rounds: options.rounds ?? rounds,
    rate: options.rate,
    sent: 0,
    acked: 0,
    failed: 0,
    refused: 0,
    unknown: 0,
    redirects: 0,
    redirectsFailed: 0,
    lost: 0,
    duplicates: 0,
    wrongTarget: 0,
    fenced: 0,
    leaked: null,
    unownedMs: none,
    deadMs: none,
    parts: [],
    stranded: null,
    takeoverMs: 0,
    unavailableMs: 0,
    backMs: null,
    boundMs: null,
    during: { ackedShare: 0, redirectShare: 0, refused: 0, refusedP99Ms: 0, decay: null },
    violations: [`not played: ${reason}`],
    timeline: [],
    historyFile: '',
    passed: false,
  };
}
