import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../runtime/errors.ts';
import { createRandom } from '../runtime/random.ts';
import { UsageError } from '../runtime/terminal/errors.ts';
import type { ProgressLog } from '../scripts/cluster/progress-log.ts';
import { countClaims } from './check/claims.ts';
import { judge } from './check/verdict.ts';
import type { DrillCluster } from './cluster/drill-cluster.ts';
import { readLimits } from './cluster/limits.ts';
import { QUIESCE_TIMEOUT_MS, untilQuiesced } from './cluster/quiesce.ts';
import { History } from './history/history.ts';
import { Measurements } from './history/measurements.ts';
import { Load } from './load/load.ts';
import type { DrillReport } from './report.ts';
import { DrillRun } from './run/drill-run.ts';
import type { Drill } from './run/drill.ts';
import { countFencedFromNow } from './watch/fenced.ts';
import { LockWatch } from './watch/locks.ts';
import { ReignWatch } from './watch/reigns.ts';

export interface DrillOptions {
  /** Undefined: each drill has its own number. */
  readonly rounds: number | undefined;
  readonly seed: number;
  /** Shortens a second. */
  readonly rate: number;
  /** How long chaos lasts, and how many faults it injects. */
  readonly seconds: number;
  readonly faults: number;
  /** Rests in and between faults are short. */
  readonly isBrief: boolean;
  readonly progress: ProgressLog;
  /** Its abort interrupts the drill, which heals all faults. */
  readonly signal: AbortSignal;
}

/** The load runs this long before the first fault and after the last. */
const CALM_MS = 1_000;

/**
 * Runs one drill: starts the load and the observers, runs the rounds, heals, waits until the cluster
 * quiesces, and checks the history and the stores.
 * @throws UsageError when the cluster has problems before the drill; the reason of `signal` when it is
 *   aborted
 */
export async function runDrill(
  drill: Drill,
  cluster: DrillCluster,
  options: DrillOptions,
): Promise<DrillReport> {
  const problems = await untilQuiesced(() => cluster.file, QUIESCE_TIMEOUT_MS);
  if (problems.length > 0)
    throw new UsageError(`the cluster has problems before the drill: ${problems.join('; ')}`);
  const { seed, rate, progress } = options;
  const rounds = options.rounds ?? drill.rounds;
  const runId = `${drill.name}-${Date.now().toString(36)}`;
  const history = createHistory(cluster, runId);
  const measurements = new Measurements(history, (event) => progress.line(`${drill.name}: ${event}`));
  const countFenced = countFencedFromNow(cluster);
  const claimedBefore = await countAllClaims(cluster);
  const reigns = new ReignWatch(cluster.file.redis, cluster.file.keysDbs, history);
  const locks = watchLocks(cluster, history);
  await using load = new Load({
    runId,
    rate,
    mappers: () => cluster.file.mappers,
    history,
    random: createRandom(seed + 1),
  });
  const limits = readLimits(process.env);
  const random = createRandom(seed);
  const run = new DrillRun({ ...options, cluster, limits, load, locks, history, measurements, random });
  try {
    await runRounds(drill, run, rounds);
    await load.stop();
  } finally {
    await run.undoAll();
    await load.stop();
    locks[Symbol.dispose]();
    await reigns.stop();
    await history.close();
  }
  const verdict = await judge({
    name: drill.name,
    runId,
    rounds,
    cluster,
    limits,
    measurements,
    historyPath: history.path,
    gaps: locks.gapsSince(0),
    balancer: load.balancer,
    claimedBefore,
  });
  const { timeline } = measurements;
  const { path: historyFile } = history;
  return { name: drill.name, seed, rounds, rate, ...verdict, fenced: countFenced(), timeline, historyFile };
}

function createHistory({ runDir }: DrillCluster, runId: string): History {
  const folder = join(runDir.path, 'drills');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return new History(join(folder, `${runId}.jsonl`));
}

async function countAllClaims({ file }: DrillCluster): Promise<Map<string, number>> {
  return new Map(
    await Promise.all(file.keysDbs.map(async (keysDb) => [keysDb.name, await countClaims(keysDb)] as const)),
  );
}

/** Watches every lock, and writes each change of a holder into the history. */
function watchLocks(cluster: DrillCluster, history: History): LockWatch {
  return new LockWatch(
    cluster.session,
    cluster.shards,
    () => history.nowMs,
    (shard, holder) => {
      const owner = holder?.owner ?? 'an unknown producer';
      const event = holder === undefined ? `${shard} is free` : `${owner} holds ${shard}`;
      history.append({ op: 'event', at: history.nowMs, event });
    },
  );
}

/** Ends early at the first violation. */
async function runRounds(drill: Drill, run: DrillRun, rounds: number): Promise<void> {
  const { measurements, cluster } = run;
  run.event('the load runs');
  await run.pause(CALM_MS);
  for (const part of drill.parts ?? ['']) {
    if (part !== '') measurements.beginPart(part);
    for (let round = 1; round <= rounds && measurements.violations.length === 0; round++) {
      await runRound(drill, run, round, part);
      await run.undoAll();
      await run.untilQuiesced();
      for (const id of cluster.takeUnexpectedDeaths())
        run.violation(`${id} ended although no fault ended it`);
    }
  }
  await run.pause(CALM_MS);
  run.event('the rounds are over; checking');
}

/** A round that fails is a violation like any other: the cluster is healed and checked all the same. */
async function runRound(drill: Drill, run: DrillRun, round: number, part: string): Promise<void> {
  const { signal } = run;
  const { promise: interrupted, reject } = Promise.withResolvers<never>();
  const interrupt = (): void => reject(signal.reason);
  signal.addEventListener('abort', interrupt, { once: true });
  try {
    await Promise.race([drill.round(run, part), interrupted]);
  } catch (error) {
    signal.throwIfAborted();
    run.violation(`round ${round} failed: ${messageOf(error)}`);
  } finally {
    signal.removeEventListener('abort', interrupt);
  }
}
