import { auditUntilClean, type Audit, type FailedAudit } from '../cluster/audit.ts';
import type { DrillCluster } from '../cluster/drill-cluster.ts';
import type { Limits } from '../cluster/limits.ts';
import { readHistory } from '../history/history.ts';
import type { Gap, Measurements, Part } from '../history/measurements.ts';
import type { Balancer } from '../load/balancer.ts';
import type { DrillReport } from '../report.ts';
import { readClaims, readRecycled } from './claims.ts';
import { goalsOf } from './goals.ts';
import { ImagesKeeper } from './images.ts';
import { checkLinks } from './links.ts';
import { LostLinks } from './lost-links.ts';
import { missedGoals } from './missed-goals.ts';
import { OwnLinksKeeper } from './own-links.ts';
import { RedirectTimesKeeper } from './redirect-times.ts';
import { checkClaims, ReignChecker } from './reigns.ts';
import { SlotsKeeper } from './slots.ts';
import { TallyKeeper } from './tally.ts';
import { distributionOf, FaultTallyKeeper, RecoveryKeeper } from './windows.ts';

const AUDIT_TIMEOUT_MS = 90_000;
const DEFAULT_GRACE_MS = 1_000;

/** The part of a report that the checks find. */
export type Verdict = Omit<
  DrillReport,
  'name' | 'seed' | 'rounds' | 'rate' | 'fenced' | 'timeline' | 'historyFile'
>;

export interface FinishedDrill {
  readonly name: string;
  readonly runId: string;
  readonly rounds: number;
  readonly cluster: DrillCluster;
  readonly limits: Limits;
  readonly measurements: Measurements;
  readonly historyPath: string;
  /** Every time in which a shard had no holder. */
  readonly gaps: readonly Gap[];
  /** Reaches the mappers, to follow every link. */
  readonly balancer: Balancer;
  /** The id of the last batch of each keys-db before the drill. */
  readonly claimedBefore: ReadonlyMap<string, number>;
}

/** Reads the history once, follows every link, and checks what the stores accepted. */
export async function judge(finished: FinishedDrill): Promise<Verdict> {
  const { cluster, measurements, historyPath } = finished;
  const goals = goalsOf(finished.name, finished.limits);
  const checked = await checkHistory(historyPath, measurements, goals.graceMs ?? DEFAULT_GRACE_MS);
  const { tally, during, slots, recovery, lostLinks } = checked;
  const { violations: ownViolations, ...ownLinks } = checked.ownLinks.result();
  const { violations: imageViolations, ...images } = checked.images.result();
  const redirectP99Ms = checked.redirectTimes.result();
  const links = await checkLinks(historyPath, finished.runId, finished.balancer, lostLinks);
  const claims = await checkAllClaims(finished);
  const audited = await auditUntilClean(cluster.runDir, AUDIT_TIMEOUT_MS);
  const audit = 'why' in audited ? undefined : audited;
  const recycled = [
    ...(await checkRecycled(finished, lostLinks)),
    ...(await checkOwnRecycled(finished, checked.ownLinks.keys.union(checked.images.keys))),
  ];
  const { healedMs } = measurements;
  const figures = {
    ...tally,
    lost: Math.max(tally.lost, links.lost) + images.lost,
    writtenOff: links.writtenOff,
    wrongTarget:
      tally.wrongTarget + links.wrongTarget + ownLinks.wrongTargets + ownLinks.oldStates + images.wrongBytes,
    duplicates: tally.duplicates + (audit?.duplicates ?? 0) + ownLinks.givenAgain + images.givenAgain,
    leaked: audit?.leaked ?? null,
    ...timesOf(finished),
    parts: partsOf(finished),
    stranded: worstStranded(measurements),
    takeoverMs: Math.round(Math.max(0, ...measurements.takeoversMs)),
    unavailableMs: Math.round(tally.unavailableMs),
    backMs: healedMs === undefined ? null : Math.round(recovery.backMs),
    boundMs: goals.deadMaxMs ?? goals.unownedMaxMs ?? null,
    during: { ...during.summary(), ...(redirectP99Ms !== undefined && { redirectP99Ms }) },
    ...(ownLinks.links > 0 && { ownLinks }),
    ...(images.posts > 0 && { images }),
  };
  const violations = [
    ...measurements.violations,
    ...tally.violations,
    ...ownViolations,
    ...imageViolations,
    ...links.violations,
    ...checked.reigns.result(),
    ...claims,
    ...recycled,
    ...auditViolations(audited, links.writtenOff),
    ...missedGoals(goals, figures, during.tally, slots.tally),
  ];
  return { ...figures, violations, passed: violations.length === 0 };
}

/** Feeds the history to every checker that reads it. */
async function checkHistory(path: string, measurements: Measurements, graceMs: number) {
  const { windows, calms, restored, putBack, healedMs } = measurements;
  const lostLinks = new LostLinks(putBack);
  const tallies = new TallyKeeper(lostLinks);
  const during = new FaultTallyKeeper(windows, graceMs);
  const slots = new SlotsKeeper(windows);
  const recovery = new RecoveryKeeper(healedMs ?? Infinity);
  const reigns = new ReignChecker(restored);
  const ownLinks = new OwnLinksKeeper();
  const images = new ImagesKeeper(windows);
  const redirectTimes = new RedirectTimesKeeper(windows, calms);
  for await (const entry of readHistory(path)) {
    lostLinks.add(entry);
    tallies.add(entry);
    during.add(entry);
    slots.add(entry);
    recovery.add(entry);
    ownLinks.add(entry);
    images.add(entry);
    redirectTimes.add(entry);
    if (entry.op === 'reign') reigns.add(entry);
  }
  return {
    tally: tallies.result(),
    during,
    slots,
    recovery,
    reigns,
    lostLinks,
    ownLinks,
    images,
    redirectTimes,
  };
}

async function checkAllClaims({ cluster, measurements, claimedBefore }: FinishedDrill): Promise<string[]> {
  const breaches = await Promise.all(
    cluster.file.keysDbs.map(async (keysDb) =>
      checkClaims(keysDb.name, await readClaims(keysDb), {
        after: claimedBefore.get(keysDb.name) ?? 0,
        renumbered: measurements.restored.has(keysDb.name),
      }),
    ),
  );
  return breaches.flat();
}

/** A key that was acknowledged before its urls server was put back must never be recycled afterwards. */
async function checkRecycled(
  { cluster, measurements }: FinishedDrill,
  { keys }: LostLinks,
): Promise<string[]> {
  const breaches = await Promise.all(
    measurements.putBack.flatMap(({ at }) =>
      cluster.file.keysDbs.map(async (keysDb) => {
        const recycled = await readRecycled(keysDb, at);
        const published = recycled.filter((key) => keys.has(key)).length;
        return published === 0 ? [] : [`${keysDb.name}: recycled ${published} keys whose links were lost`];
      }),
    ),
  );
  return breaches.flat();
}

/** The key of an own link or an image is never recycled, also when it was deleted and pruned. */
async function checkOwnRecycled(
  { cluster, measurements }: FinishedDrill,
  keys: ReadonlySet<string>,
): Promise<string[]> {
  if (keys.size === 0) return [];
  const began = new Date(Date.now() - measurements.nowMs);
  const breaches = await Promise.all(
    cluster.file.keysDbs.map(async (keysDb) => {
      const recycled = (await readRecycled(keysDb, began)).filter((key) => keys.has(key)).length;
      return recycled === 0
        ? []
        : [`${keysDb.name}: recycled the keys of ${recycled} links that have owners, or images`];
    }),
  );
  return breaches.flat();
}

function auditViolations(audit: Audit | FailedAudit, writtenOff: number): string[] {
  if ('why' in audit) return [`every audit failed: ${audit.why}`];
  const uncounted = writtenOff - audit.written_off;
  const { balanced, leaked, duplicates } = audit;
  return [
    ...(balanced ? [] : ['the audit does not balance']),
    ...(uncounted > 0 ? [`the audit misses ${uncounted} keys among those that are written off`] : []),
    ...(leaked > 0 ? [`${leaked} keys are leaked and were not recycled`] : []),
    ...(duplicates > 0 ? [`${duplicates} keys have more than one link`] : []),
  ];
}

function partsOf(finished: FinishedDrill): DrillReport['parts'] {
  const { rounds, measurements } = finished;
  return measurements.parts.map((part, index) => ({
    name: part.name,
    rounds,
    ...timesOf(finished, part, measurements.parts[index + 1]),
  }));
}

const WHOLE_DRILL = { fromMs: 0, deadBefore: 0 };

/** Times without a holder, and from a fault to the next holder, in one part or in the whole drill. */
function timesOf(
  { gaps, measurements }: FinishedDrill,
  part: Pick<Part, 'fromMs' | 'deadBefore'> = WHOLE_DRILL,
  next?: Pick<Part, 'fromMs' | 'deadBefore'>,
): Pick<DrillReport, 'unownedMs' | 'deadMs'> {
  const ofPart = gaps.filter(({ fromMs }) => fromMs >= part.fromMs && fromMs < (next?.fromMs ?? Infinity));
  return {
    unownedMs: distributionOf(ofPart.map(({ fromMs, toMs }) => (toMs ?? measurements.nowMs) - fromMs)),
    deadMs: distributionOf(measurements.deadMs.slice(part.deadBefore, next?.deadBefore)),
  };
}

/** The worst round: the most stranded keys above the bound, or the fewest below it. */
function worstStranded({ stranded }: Measurements): DrillReport['stranded'] {
  return stranded.toSorted((a, b) => b.keys - b.bound - (a.keys - a.bound))[0] ?? null;
}
