import { claimJob, moveJob, releaseJob, type JobProgress } from '../../db/jobs/job-leases.ts';
import type { Mysql } from '../../db/mysql/mysql.ts';
import { OutcomeUnknownError, StoreUnavailableError } from '../../db/store-errors.ts';
import type { Log } from '../../runtime/log.ts';
import { Unhurried, type Pace } from '../../runtime/pace.ts';
import { endPolls, pollEvery } from '../../runtime/polling.ts';
import { pauseQuietly } from '../../runtime/retry.ts';

/** Called with what a job could not do, and leaves as it is until its next round. */
export type OnSkipped = (what: string, error: unknown) => void;

/** Work in the background that one process of the cluster does at a time, on each urls server. */
export interface RestedJob {
  /** At most 64 ASCII characters. Names the job on its server. */
  readonly name: string;
  /** From the end of one round to the begin of the next. */
  readonly everyMs: number;
  /** Its rounds must end in some minutes: it does not wait for the pieces and rests of other jobs. */
  readonly isInTime?: boolean;
  /**
   * Does one piece of some milliseconds, and may be repeated: the process can die before its position is
   * stored, and a process that was paused can do the same piece at the same time as another.
   * @param progress where the piece before ended; without a position a round begins
   * @returns the position from which the next piece goes on, at most 1,024 bytes; undefined: the round is
   *   complete
   */
  step(db: Mysql, progress: JobProgress, onSkipped: OnSkipped): Promise<string | undefined>;
}

export interface JobsServer {
  readonly name: string;
  /** Needs `canTransact` and REPEATABLE READ. */
  readonly db: Mysql;
  readonly isWritable: () => boolean;
}

export interface RestedJobsOptions {
  readonly jobs: readonly RestedJob[];
  readonly servers: readonly JobsServer[];
  /** Names this process, and no earlier or later one. At most 96 ASCII characters. */
  readonly holder: string;
  readonly log: Log;
  /** How often a process looks for jobs that are due, and how long it waits before it looks first. */
  readonly pollMs: number;
}

/** Longer than one piece can take: its statements have deadlines. */
const LEASE_MS = 300_000;

/**
 * Does jobs until it is disposed of: on each server one piece at a time, and a rest after each; besides, in
 * the same way, those that must be in time. The servers need not answer yet.
 */
export function startRestedJobs(options: RestedJobsOptions): AsyncDisposable {
  const stopping = new AbortController();
  const { signal } = stopping;
  const working = options.servers.flatMap((server) => {
    const shared = new Unhurried(() => false, signal);
    return options.jobs.map(async (job) => {
      const pace = job.isInTime === true ? new Unhurried(() => false, signal) : shared;
      // The start of a mapper has more urgent work.
      await pauseQuietly(options.pollMs, signal);
      await pollEvery(options.pollMs, signal, async () =>
        new Round({ ...options, job, server, pace, signal }).run(),
      );
    });
  });
  return {
    [Symbol.asyncDispose]: async () => {
      stopping.abort();
      await endPolls(...working);
    },
  };
}

interface RoundOptions extends RestedJobsOptions {
  readonly job: RestedJob;
  readonly server: JobsServer;
  readonly pace: Pace;
  readonly signal: AbortSignal;
}

/** One round of one job on one server, or the part of it that is left, if it is due. */
class Round {
  readonly #options: RoundOptions;
  readonly #claim: { name: string; holder: string; leaseMs: number; everyMs: number };

  constructor(options: RoundOptions) {
    this.#options = options;
    const { name, everyMs } = options.job;
    this.#claim = { name, everyMs, holder: options.holder, leaseMs: LEASE_MS };
  }

  /** Never rejects. */
  async run(): Promise<void> {
    const { server, signal, log, job } = this.#options;
    if (!server.isWritable() || signal.aborted) return;
    try {
      const progress = await claimJob(server.db, this.#claim);
      if (progress !== undefined) await this.#goOn(progress);
    } catch (error) {
      if (signal.aborted) return;
      const isExpected = error instanceof StoreUnavailableError || error instanceof OutcomeUnknownError;
      log[isExpected ? 'debug' : 'error'](
        { error, urlsDb: server.name, job: job.name },
        'a job in the background was interrupted; it goes on from where it was',
      );
    }
  }

  async #goOn(begin: JobProgress): Promise<void> {
    const { job, server, pace, log } = this.#options;
    let { position } = begin;
    let isOver = false;
    const skipped: { readonly what: string; readonly error: unknown }[] = [];
    try {
      while (!isOver && server.isWritable()) {
        const progress = { ...begin, position };
        position = await pace.piece(async () =>
          job.step(server.db, progress, (what, error) => skipped.push({ what, error })),
        );
        const isHeld = await moveJob(server.db, this.#claim, position);
        isOver = position === undefined || !isHeld;
      }
    } finally {
      const [first] = skipped;
      if (first !== undefined)
        log.warn(
          { ...first, skipped: skipped.length, urlsDb: server.name, job: job.name },
          'a job in the background has skipped what failed; the next round tries it again',
        );
      // The next process goes on at once. It fails when the server is away: then the lease ends by itself.
      if (!isOver) await releaseJob(server.db, this.#claim).catch(() => undefined);
    }
  }
}
