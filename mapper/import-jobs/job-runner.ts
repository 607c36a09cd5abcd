import { randomBytes } from 'node:crypto';
import type { Log } from '../../runtime/log.ts';
import { endPolls, pollEvery } from '../../runtime/polling.ts';
import { formatProgress, parseOptions, type HeldJob, type JobTools } from './job.ts';
import { isPassing, JobRun, TakenOverError, whyItWaits } from './job-run.ts';

export interface JobRunnerOptions {
  readonly tools: JobTools;
  /** Whether the users database is worth asking. */
  readonly isUp: () => boolean;
  readonly log: Log;
}

const POLL_MS = 1_000;
/** How long a job rests whose store was away. */
const LATER_SECONDS = 10;

/**
 * Carries out the imports that were uploaded to any mapper, one at a time, until it is disposed of. A job
 * whose process dies is taken up by another one: it is leased for half a minute at a time. Two processes with
 * one job do no harm.
 */
export function runImportJobs({ tools, isUp, log }: JobRunnerOptions): AsyncDisposable {
  const holder = randomBytes(12).toString('hex');
  const stopping = new AbortController();
  const { signal } = stopping;
  const polling = pollEvery(POLL_MS, signal, async () => {
    if (!isUp()) return;
    try {
      while (!signal.aborted && (await takeOne(holder, { tools, signal, log })));
    } catch (error) {
      if (!signal.aborted) log.debug({ error }, 'imports wait for the users database');
    }
  });
  return {
    [Symbol.asyncDispose]: async () => {
      stopping.abort();
      await endPolls(polling);
    },
  };
}

/** @returns whether there was a job */
async function takeOne(
  holder: string,
  { tools, signal, log }: { readonly tools: JobTools; readonly signal: AbortSignal; readonly log: Log },
): Promise<boolean> {
  const { ask } = tools;
  const id = await ask(async (jobs) => jobs.claim(holder));
  if (id === undefined) return false;
  const job = await ask(async (jobs) => jobs.find(id));
  if (job === undefined) return false;
  const held: HeldJob = { id, holder, job, options: parseOptions(job.options) };
  const about = { importJob: id, userId: String(job.userId) };
  try {
    const end = await new JobRun(held, tools, signal).carryOut();
    const progress = formatProgress(end.progress);
    await ask(async (jobs) => jobs.end(held, { ...end, progress }));
    log.info({ ...about, state: end.state, stored: end.progress.stored }, 'an import has ended');
  } catch (error) {
    if (error instanceof TakenOverError) return true;
    if (signal.aborted) await ask(async (jobs) => jobs.release(held, null, 0)).catch(() => undefined);
    else if (isPassing(error)) {
      log.warn({ ...about, error }, 'an import waits for a store');
      await ask(async (jobs) => jobs.release(held, whyItWaits(error), LATER_SECONDS));
    } else {
      log.error({ ...about, error }, 'an import has failed');
      const progress = job.progress ?? '{}';
      const reason = 'something went wrong on our side';
      await ask(async (jobs) => jobs.end(held, { state: 'failed', progress, reason }));
    }
  }
  return true;
}
