import { isOutage, OutcomeUnknownError, StoreUnavailableError } from '../../db/store-errors.ts';
import { KeymillError, messageOf } from '../../runtime/errors.ts';
import type { RefusedLink } from '../import/outcome.ts';
import { NoKeysError } from '../keys/key-supply.ts';
import { CodeTakenError } from './batch-store.ts';
import { importIdOf } from './import-identity.ts';
import { ImportTally } from './import-tally.ts';
import { formatProgress, NO_PROGRESS, type HeldJob, type JobProgress, type JobTools } from './job.ts';
import { slicesOf } from './job-file.ts';
import { beginImport, importLinks, type LinkImportOptions } from './link-import.ts';
import { surveyFile } from './survey.ts';
import { findTakenCodes } from './taken-codes.ts';

/** How a job ends. */
export interface JobEnd {
  readonly state: 'done' | 'failed';
  readonly progress: JobProgress;
  /** For a person; null: it is done. */
  readonly reason: string | null;
}

/** Another process carries the job out, or its account is disabled or gone. */
export class TakenOverError extends KeymillError {
  constructor(id: string) {
    super('TAKEN_OVER', `import ${id} is not carried out by this process any more`);
  }
}

/** The lease of a job lasts six times as long. */
const KEEP_EVERY_MS = 5_000;
/**
 * Then the job is released, and taken up again later. With the time above, and that of one statement, it is
 * less than the time after which no request of a deleted account is under way any more.
 */
const PATIENCE_MS = 4_000;
/** How many faults a reason names. The report has all of them. */
const MAX_NAMED = 5;

/** Carries out one job, as far as it goes. It decides nothing about links. */
export class JobRun {
  readonly #held: HeldJob;
  readonly #tools: JobTools;
  readonly #signal: AbortSignal;
  #progress: JobProgress = NO_PROGRESS;
  #keptAtMs: number;

  constructor(held: HeldJob, tools: JobTools, signal: AbortSignal) {
    this.#held = held;
    this.#tools = tools;
    this.#signal = signal;
    this.#keptAtMs = tools.ports.now();
  }

  /**
   * @throws TakenOverError; Problem 503, StoreUnavailableError, OutcomeUnknownError or NoKeysError: it goes
   *   on later; the reason of the signal
   */
  async carryOut(): Promise<JobEnd> {
    const { options } = this.#held;
    const isStoring = !options.isDryRun;
    const reader = this.#tools.createReader(options, {
      nowMs: this.#held.job.createdAt.getTime(),
      isOnlyCounting: isStoring,
    });
    const survey = await surveyFile(this.#slices(), reader, () => {
      this.#progress = { ...this.#progress, done: reader.summary.records };
    });
    const { summary, contentHash, faults } = survey;
    this.#progress = { ...this.#progress, records: summary.records, done: summary.records };
    if (!isStoring) return { state: 'done', progress: { ...this.#progress, summary }, reason: null };
    if (faults.length > 0) return this.#failed('the file cannot be read to its end', faults);
    return this.#store(contentHash, summary.records);
  }

  async #store(contentHash: string, records: number): Promise<JobEnd> {
    const { options, job } = this.#held;
    const ownerId = job.userId;
    const importId = importIdOf({ contentHash, options, ownerId });
    this.#progress = { ...NO_PROGRESS, stage: 'storing', records, importId };
    const { onConflict } = options;
    const confirm = async (): Promise<void> => this.#keep();
    const order = { importId, ownerId, onConflict, batchesAtOnce: 1, patienceMs: PATIENCE_MS, confirm };
    const run: LinkImportOptions = { ports: this.#tools.ports, order, signal: this.#signal };
    const begun = await beginImport(run);
    const nowMs = begun.begunAt.getTime();
    const createReader = () => this.#tools.createReader(options, { nowMs });
    if (onConflict === 'error') {
      const taken = await findTakenCodes(createReader().read(this.#slices()), MAX_NAMED, run);
      if (taken.length > 0) return this.#failed('nothing is stored, because codes are taken', taken);
    }
    const reader = createReader();
    const tally = new ImportTally(importId);
    try {
      for await (const outcomes of importLinks(reader.read(this.#slices()), begun, run)) {
        tally.count(outcomes);
        const { stored, overwritten } = tally;
        this.#progress = { ...this.#progress, done: tally.records, stored, overwritten };
      }
    } catch (error) {
      if (error instanceof CodeTakenError) return this.#failed(messageOf(error), []);
      throw error;
    }
    const summary = tally.complete(reader.summary);
    return { state: 'done', progress: { ...this.#progress, summary }, reason: null };
  }

  #slices(): AsyncGenerator<Uint8Array> {
    const { ask } = this.#tools;
    return slicesOf(this.#held.job, { ask, onSlice: async () => this.#keepWhenDue(), signal: this.#signal });
  }

  async #keepWhenDue(): Promise<void> {
    if (this.#tools.ports.now() - this.#keptAtMs >= KEEP_EVERY_MS) await this.#keep();
  }

  /** @throws TakenOverError */
  async #keep(): Promise<void> {
    const { ask, ports } = this.#tools;
    this.#keptAtMs = ports.now();
    const progress = formatProgress(this.#progress);
    const done = this.#progress.stage === 'storing' ? this.#progress.done : 0;
    const isOurs = await ask(async (jobs) => jobs.keep(this.#held, progress, done));
    if (!isOurs) throw new TakenOverError(this.#held.id);
  }

  #failed(what: string, faults: readonly RefusedLink[]): JobEnd {
    const named = faults.slice(0, MAX_NAMED).map(({ line, message }) => `line ${line}: ${message}`);
    return { state: 'failed', progress: this.#progress, reason: [what, ...named].join('; ') };
  }
}

/** Whether a job that has ended with this error goes on later. */
export function isPassing(error: unknown): boolean {
  const isAway = isOutage(error) || error instanceof StoreUnavailableError || error instanceof NoKeysError;
  // A problem of the users database.
  return isAway || (error instanceof KeymillError && 'status' in error && error.status === 503);
}

/** Why a job waits that has ended with a passing error: for its user. The log has the error. */
export function whyItWaits(error: unknown): string {
  if (error instanceof StoreUnavailableError) return error.toldToUsers;
  // The others have words of ours.
  return error instanceof OutcomeUnknownError ? 'A store did not confirm a change.' : messageOf(error);
}
