import { AnswerDeadline } from '../../runtime/answer-deadline.ts';
import { BoundedCache } from '../../runtime/bounded-cache.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import type { AnsweredImport } from '../api/import-service.ts';
import { Problem } from '../http/problem.ts';
import type { PageRequest } from '../pages/page-routes.ts';
import type { RefusedRecord } from './import-view.ts';

/** Of the report, which is as long as the file. */
const MAX_SHOWN = 20;
const MAX_RECORDS = 20_000;
const MAX_MS = 1_000;
/** Imports whose first refused records are kept. Each has some 5 KiB. */
const MAX_KEPT = 100;

/**
 * The first records of imports that were not taken. They stand in the report, which is long. So it is read
 * once, when the import is over, and never for a look at an import that is under way.
 */
export class FirstRefused {
  readonly #kept = new BoundedCache<readonly RefusedRecord[]>(MAX_KEPT);

  /**
   * @param job which the person may see
   * @returns none while it is not over, and when the report cannot be read: the page has the numbers
   */
  async of({ identity, services }: PageRequest, job: AnsweredImport): Promise<readonly RefusedRecord[]> {
    const hasRefused = Object.keys(job.refused).length > 0;
    const isToRead = job.state === 'failed' || (job.state === 'done' && hasRefused);
    if (!isToRead || identity === undefined) return [];
    const kept = this.#kept.get(job.id);
    if (kept !== undefined) return kept;
    try {
      const { content } = await services.imports.report(identity, job.id);
      const found = await readFirst(content as AsyncIterable<string>);
      this.#kept.set(job.id, found);
      return found;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      return [];
    }
  }
}

async function readFirst(report: AsyncIterable<string>): Promise<readonly RefusedRecord[]> {
  const found: RefusedRecord[] = [];
  const endsAtMs = monotonicMs() + MAX_MS;
  const pieces = report[Symbol.asyncIterator]();
  let records = 0;
  try {
    while (found.length < MAX_SHOWN && records < MAX_RECORDS) {
      const next = await settledBefore(endsAtMs, pieces.next());
      if (next === undefined || next.done === true) break;
      for (const line of next.value.split('\n').filter((text) => text !== '')) {
        records += 1;
        const { line: number = 0, code = null, message } = JSON.parse(line) as Partial<RefusedRecord>;
        if (message !== undefined) found.push({ line: number, code, message });
      }
    }
  } finally {
    // It waits for a read that is under way, which has a deadline of its own.
    void pieces.return?.().catch(() => undefined);
  }
  return found.slice(0, MAX_SHOWN);
}

/** @returns undefined when the time is over first. @throws what `work` throws */
async function settledBefore<T>(endsAtMs: number, work: Promise<T>): Promise<T | undefined> {
  const { promise: passed, resolve } = Promise.withResolvers<undefined>();
  const deadline = new AnswerDeadline(Math.max(0, endsAtMs - monotonicMs()), () => resolve(undefined));
  try {
    return await Promise.race([work, passed]);
  } finally {
    deadline.clear();
  }
}
