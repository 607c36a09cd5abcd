import { closeMonths } from '../../db/clicks/close-months.ts';
import { forgetClearedLinks, forgetFormerOwners, forgetOldClicks } from '../../db/clicks/forget-clicks.ts';
import { moveOldClicks } from '../../db/clicks/move-clicks.ts';
import { pruneOrphans } from '../../db/clicks/orphans-db.ts';
import { closeVisitorDays, rollUpHours } from '../../db/clicks/roll-up.ts';
import { monthOf, toDate, toDay } from '../../db/clicks/sql-times.ts';
import { LINK, listLinks, listOwners, OWNER, type SubjectKind } from '../../db/clicks/subject.ts';
import type { JobProgress } from '../../db/jobs/job-leases.ts';
import type { Mysql } from '../../db/mysql/mysql.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import type { JobsConfig } from '../../runtime/config/config.ts';
import { KeymillError } from '../../runtime/errors.ts';
import type { OnSkipped, RestedJob } from './rested-jobs.ts';

type StatisticsJobsOptions = Pick<JobsConfig, 'keptDays'>;

const HOUR_MS = 3_600_000;
/** Only so often: a day can be closed some hours later without harm. */
const ROLL_UP_EVERY_MS = 6 * HOUR_MS;
/** Processes of earlier releases go on counting until they are replaced. */
const MOVE_EVERY_MS = 60_000;
/** A scan of made-up keys leaves some 250 rows a second. */
const PRUNE_EVERY_MS = 600_000;
const ORPHANS_AT_ONCE = 500;

/** The jobs that keep stored clicks small. */
export function createStatisticsJobs(options: StatisticsJobsOptions): RestedJob[] {
  return [
    { name: 'move clicks', everyMs: MOVE_EVERY_MS, step: moveClicks },
    { name: 'prune orphans', everyMs: PRUNE_EVERY_MS, step: pruneSomeOrphans },
    {
      name: 'roll up links',
      everyMs: ROLL_UP_EVERY_MS,
      step: async (db, progress, onSkipped) =>
        rollUp(db, progress, { ...options, kind: LINK, list: listLinks, onSkipped }),
    },
    {
      name: 'roll up owners',
      everyMs: ROLL_UP_EVERY_MS,
      step: async (db, progress, onSkipped) =>
        rollUp(db, progress, { ...options, kind: OWNER, list: listOwners, onSkipped }),
    },
  ];
}

async function moveClicks(db: Mysql): Promise<string | undefined> {
  return (await moveOldClicks(db)) ? 'more' : undefined;
}

async function pruneSomeOrphans(db: Mysql, { position }: JobProgress): Promise<string | undefined> {
  return pruneOrphans(db, position, ORPHANS_AT_ONCE);
}

/** Links or owners of one piece. Most of them have nothing to do, and cost a look at each table. */
const SUBJECTS_AT_ONCE = 10;
/** A position before all subjects. */
const BEGIN = '';
/** So long subjects are looked at one by one after a failure, in one piece. A lease is longer. */
const ALONE_MS = 30_000;
/** Usually the sums of so many months are looked at: more is counted later only after a long failure. */
const MONTHS_LOOKED_AT = 3;

interface RollUp extends StatisticsJobsOptions {
  readonly kind: SubjectKind;
  readonly list: typeof listLinks;
  readonly onSkipped: OnSkipped;
}

async function rollUp(
  db: Mysql,
  { position = BEGIN, doneAt }: JobProgress,
  { kind, list, keptDays, onSkipped }: RollUp,
): Promise<string | undefined> {
  const names = await list(db, position === BEGIN ? undefined : position, SUBJECTS_AT_ONCE);
  const end = names.length < SUBJECTS_AT_ONCE ? undefined : names.at(-1);
  if (names.length === 0) return undefined;
  const today = await todayOf(db);
  requireSameDay(db.name, today);
  const steps = stepsOf({ db, kind, today, doneAt, keptDays });
  const idsOf = (some: readonly string[]): string[] => some.map((name) => kind.toId(name));
  try {
    for (const step of steps) if (await step(idsOf(names))) return position;
    return end;
  } catch {
    // One of them is at fault, and the others must not wait for it.
  }
  const startedMs = monotonicMs();
  let done = position;
  for (const name of names) {
    const { hasMore, error } = await doAlone(steps, idsOf([name]));
    if (hasMore) return done;
    if (error !== undefined) {
      // If the server is away, this fails, and nothing is skipped.
      await todayOf(db);
      onSkipped(name, error);
    }
    done = name;
    if (monotonicMs() - startedMs > ALONE_MS) return done;
  }
  return end;
}

/** Does part of the work for some subjects. @returns whether it must be called again: there is more to do */
type Step = (ids: readonly string[]) => Promise<boolean>;

function stepsOf({
  db,
  kind,
  today,
  doneAt,
  keptDays,
}: Pick<RollUp, 'kind' | 'keptDays'> & Pick<JobProgress, 'doneAt'> & { db: Mysql; today: number }): Step[] {
  const before = keptDays === undefined ? 0 : today - keptDays;
  const since = Math.max(firstMonth(today, doneAt), monthOf(before) === before ? before : monthOf(before, 1));
  const once =
    (work: (ids: readonly string[]) => Promise<void>): Step =>
    async (ids) => {
      await work(ids);
      return false;
    };
  return [
    async (ids) => (kind === LINK ? forgetClearedLinks(db, ids) : forgetFormerOwners(db, ids)),
    once(async (ids) => rollUpHours({ db, kind, ids, today })),
    once(async (ids) => closeVisitorDays({ db, kind, ids, today })),
    once(async (ids) => closeMonths({ db, kind, ids, today, since })),
    async (ids) => keptDays !== undefined && forgetOldClicks({ db, kind, ids, before }),
  ];
}

/** Does all steps of which none needs another. @returns the first error */
async function doAlone(
  steps: readonly Step[],
  ids: readonly string[],
): Promise<{ hasMore: boolean; error?: unknown }> {
  let first: unknown;
  for (const step of steps) {
    try {
      if (await step(ids)) return { hasMore: true };
    } catch (error) {
      first ??= error;
    }
  }
  return { hasMore: false, error: first };
}

/** The first round of a month looks at all months before. */
function firstMonth(today: number, doneAt: Date | undefined): number {
  const isFirst = doneAt === undefined || monthOf(toDay(doneAt.toISOString().slice(0, 10))) < monthOf(today);
  return isFirst ? 0 : monthOf(today, -MONTHS_LOOKED_AT);
}

async function todayOf(db: Mysql): Promise<number> {
  const [row] = await db.queryArrays<[string]>("SELECT DATE_FORMAT(UTC_DATE(), '%Y-%m-%d')");
  return toDay((row as [string])[0]);
}

/**
 * By a clock that is far ahead, all clicks are old enough to be deleted. At midnight, two right clocks may
 * name two days.
 * @throws KeymillError nothing may be summed or deleted until a person has set the clocks
 */
function requireSameDay(name: string, today: number): void {
  const own = Math.floor(Date.now() / (24 * HOUR_MS));
  if (Math.abs(today - own) <= 1) return;
  throw new KeymillError(
    'CLOCKS_DIFFER',
    `${name} says that it is ${toDate(today)}, and this process ${toDate(own)}: set their clocks`,
  );
}
