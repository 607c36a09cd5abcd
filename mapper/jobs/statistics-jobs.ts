import { closeMonths } from '../../db/clicks/close-months.ts';
import { forgetClearedLinks, forgetFormerOwners, forgetOldClicks } from '../../db/clicks/forget-clicks.ts';
import { moveOldClicks } from '../../db/clicks/move-clicks.ts';
import { pruneOrphans } from '../../db/clicks/orphans-db.ts';
import { closeVisitorDays, rollUpHours } from '../../db/clicks/roll-up.ts';
import { monthOf, toDay } from '../../db/clicks/sql-times.ts';
import { LINK, listLinks, listOwners, OWNER, type SubjectKind } from '../../db/clicks/subject.ts';
import type { JobProgress } from '../../db/jobs/job-leases.ts';
import type { Mysql } from '../../db/mysql/mysql.ts';
import type { JobsConfig } from '../../runtime/config/config.ts';
import type { RestedJob } from './rested-jobs.ts';

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
      step: async (db, progress) => rollUp(db, progress, { ...options, kind: LINK, list: listLinks }),
    },
    {
      name: 'roll up owners',
      everyMs: ROLL_UP_EVERY_MS,
      step: async (db, progress) => rollUp(db, progress, { ...options, kind: OWNER, list: listOwners }),
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
/** Usually the sums of so many months are looked at: more is counted later only after a long failure. */
const MONTHS_LOOKED_AT = 3;

async function rollUp(
  db: Mysql,
  { position, doneAt }: JobProgress,
  { kind, list, keptDays }: StatisticsJobsOptions & { kind: SubjectKind; list: typeof listLinks },
): Promise<string | undefined> {
  const names = await list(db, position, SUBJECTS_AT_ONCE);
  if (names.length === 0) return undefined;
  const ids = names.map((name) => kind.toId(name));
  const today = await todayOf(db);
  const work = { db, kind, ids, today };
  await (kind === LINK ? forgetClearedLinks(db, ids) : forgetFormerOwners(db, ids));
  await rollUpHours(work);
  await closeVisitorDays(work);
  await closeMonths({ ...work, since: firstMonth(today, doneAt) });
  if (keptDays !== undefined) await forgetOldClicks({ ...work, before: today - keptDays });
  return names.length < SUBJECTS_AT_ONCE ? undefined : names.at(-1);
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
