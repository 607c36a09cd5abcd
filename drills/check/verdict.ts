import type { Drill, DrillReport } from '../drill.ts';
import { goalsOf } from '../goals.ts';
import { readHistory } from '../load/history.ts';
import type { Part, Stage } from '../stage/stage.ts';
import { auditUntilClean } from './audit.ts';
import { readClaims } from './claims.ts';
import { missedGoals } from './missed-goals.ts';
import { checkLinks } from './links.ts';
import { checkClaims, ReignChecker } from './reigns.ts';
import { SlotsKeeper } from './slots.ts';
import { TallyKeeper } from './tally.ts';
import { distributionOf, FaultTallyKeeper, RecoveryKeeper } from './windows.ts';

const AUDIT_TIMEOUT_MS = 90_000;

/** What the history and the stores say of a drill that is over. */
export type Verdict = Omit<
  DrillReport,
  'name' | 'seed' | 'rounds' | 'rate' | 'fenced' | 'timeline' | 'historyFile'
>;

interface Played {
  readonly runId: string;
  readonly rounds: number;
  /** How many batches every keys-db had before. */
  readonly claimedBefore: ReadonlyMap<string, number>;
}

/** Goes through the history once, follows every link, and reads what the stores accepted. */
export async function judge(
  drill: Drill,
  stage: Stage,
  { runId, rounds, claimedBefore }: Played,
): Promise<Verdict> {
  const { cluster, load, options } = stage;
  const goals = goalsOf(drill.name, stage.limits);
  const tallies = new TallyKeeper();
  const during = new FaultTallyKeeper(stage.windows, goals.graceMs ?? 1_000);
  const slots = new SlotsKeeper(stage.windows);
  const { forgiven, healedMs } = stage;
  const recovery = new RecoveryKeeper(healedMs ?? Infinity);
  const reignChecker = new ReignChecker(forgiven);
  for await (const entry of readHistory(options.history.path)) {
    tallies.add(entry);
    during.add(entry);
    slots.add(entry);
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
  const figures = {
    ...tally,
    lost: Math.max(tally.lost, links.lost),
    wrongTarget: tally.wrongTarget + links.wrongTarget,
    duplicates: tally.duplicates + (audit?.duplicates ?? 0),
    leaked: audit?.leaked ?? null,
    ...timesOf(stage, { fromMs: 0, deadBefore: 0 }, undefined),
    parts: stage.parts.map((part, index) => ({
      name: part.name,
      rounds,
      ...timesOf(stage, part, stage.parts[index + 1]),
    })),
    stranded: stage.stranded.toSorted((a, b) => b.keys - b.bound - (a.keys - a.bound))[0] ?? null,
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
    ...missedGoals(goals, figures, during.tally, slots.tally),
  ];
  return { ...figures, violations, passed: violations.length === 0 };
}

/** Times without holder, and from fault to next holder, from the beginning of one part to that of the next. */
function timesOf(
  stage: Stage,
  from: Pick<Part, 'fromMs' | 'deadBefore'>,
  next: Pick<Part, 'fromMs' | 'deadBefore'> | undefined,
): Pick<DrillReport, 'unownedMs' | 'deadMs'> {
  const gaps = stage.locks.gapsSince(from.fromMs).filter(({ fromMs }) => fromMs < (next?.fromMs ?? Infinity));
  return {
    unownedMs: distributionOf(gaps.map(({ fromMs, toMs }) => (toMs ?? stage.nowMs) - fromMs)),
    deadMs: distributionOf(stage.deadMs.slice(from.deadBefore, next?.deadBefore)),
  };
}
