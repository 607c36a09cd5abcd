import type { ImportJob } from '../../db/accounts/import-job.ts';
import type { Holding, ImportJobs } from '../../db/accounts/import-jobs.ts';
import { parseJson } from '../../runtime/json.ts';
import type { FormatName } from '../import/formats/format.ts';
import type { LinkReader } from '../import/link-reader.ts';
import type { Summary } from '../import/outcome.ts';
import type { DateOrder } from '../import/read-time.ts';
import type { ImportSummary } from './import-tally.ts';
import type { ImportPorts, OnConflict } from './ports.ts';

/** How an uploaded file is imported. */
export interface JobOptions {
  readonly from: FormatName | 'auto';
  readonly timezone: string | undefined;
  readonly dateOrder: DateOrder | undefined;
  readonly domain: string | undefined;
  readonly isRenaming: boolean;
  readonly onConflict: OnConflict;
  readonly isDryRun: boolean;
}

/** How far a job is. */
export interface JobProgress {
  readonly stage: 'reading' | 'storing';
  /** Of the file; null: not known yet. */
  readonly records: number | null;
  /** How many of them are done. */
  readonly done: number;
  /** Links. */
  readonly stored: number;
  readonly overwritten: number;
  /** The id of the import. null: it is not known yet, or it is a dry run. */
  readonly importId: string | null;
  /** When it is done. */
  readonly summary: Summary | ImportSummary | null;
}

export const NO_PROGRESS: JobProgress = {
  stage: 'reading',
  records: null,
  done: 0,
  stored: 0,
  overwritten: 0,
  importId: null,
  summary: null,
};

/** Does work with the jobs in the users database. @throws Problem 503 */
export type AskJobs = <T>(work: (jobs: ImportJobs) => Promise<T>) => Promise<T>;

/** What jobs are carried out with. */
export interface JobTools {
  readonly ask: AskJobs;
  readonly ports: ImportPorts;
  /** @param nowMs what counts as now */
  readonly createReader: (
    options: JobOptions,
    reading: { readonly nowMs: number; readonly isOnlyCounting?: boolean },
  ) => LinkReader;
}

/** A job that this process carries out. */
export interface HeldJob extends Holding {
  readonly job: ImportJob;
  readonly options: JobOptions;
}

export function formatOptions(options: JobOptions): string {
  return JSON.stringify(options);
}

/** As {@link formatOptions} wrote them. */
export function parseOptions(text: string): JobOptions {
  return parseJson(text) as JobOptions;
}

export function formatProgress(progress: JobProgress): string {
  return JSON.stringify(progress);
}

/** As {@link formatProgress} wrote it. */
export function parseProgress(text: string | null): JobProgress {
  return text === null ? NO_PROGRESS : (parseJson(text) as JobProgress);
}
