import { pruneImports } from '../../db/imports/prune-imports.ts';
import { KEPT_IMPORT_DAYS, type JobsConfig } from '../../runtime/config/config.ts';
import type { RestedJob } from './rested-jobs.ts';

/** What is forgotten an hour later does no harm. */
const EVERY_MS = 3_600_000;

/** The job that forgets imports which nobody has run for a long time. */
export function createImportsJob({
  keptImportDays = KEPT_IMPORT_DAYS,
}: Pick<JobsConfig, 'keptImportDays'>): RestedJob {
  return {
    name: 'prune imports',
    everyMs: EVERY_MS,
    step: async (db) => ((await pruneImports(db, keptImportDays)) ? 'more' : undefined),
  };
}
