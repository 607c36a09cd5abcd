import type { IdCounter } from '../redis/id-counter.ts';
import {
  isContradiction,
  isOutage,
  OutcomeUnknownError,
  StoreRefusedError,
  StoreUnavailableError,
} from '../store-errors.ts';
import type { CounterMarks } from './counter-marks.ts';

/** Ids of the counter's region, both included. */
export interface ReservedIds {
  readonly first: number;
  readonly last: number;
  /** `mark`: the Redis of the counter could not be used. */
  readonly by: 'redis' | 'mark';
}

export interface ReserveIdsOptions {
  readonly redis: Pick<IdCounter, 'name' | 'next'>;
  readonly marks: Pick<CounterMarks, 'name' | 'read' | 'advance'>;
  readonly count: number;
  /** The highest mark that is known: no id up to it is given out again. */
  readonly floor: number;
  /** The last id of the region. */
  readonly maxId: number;
  /** Ids that may be nobody's from now on, because an answer was lost. */
  readonly onWasted: (count: number) => void;
  /** Why the Redis was not used this time. */
  readonly onWithoutRedis: (error: unknown) => void;
}

/** Other mappers may be first. A batch is tried for again soon after that. */
const ATTEMPTS = 4;
/** A counter this far ahead of all marks has not been counted there: somebody has written it. */
const MAX_LEAD = 2 ** 32;

/**
 * Reserves `count` ids that nobody else gets. The counter on Redis proposes them, and the mark decides: they
 * are ours once it was moved past them. A counter that is behind is lifted to the mark. Without Redis, the
 * ids after the mark are proposed.
 * @throws StoreUnavailableError, OutcomeUnknownError, ImpossibleValueError: nothing is ours;
 *   StoreRefusedError when the region is full
 */
export async function reserveIds(options: ReserveIdsOptions): Promise<ReservedIds> {
  const { marks, count, maxId, onWasted } = options;
  let { floor } = options;
  let isAnswerLost = false;
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    let by: ReservedIds['by'] = 'redis';
    let from = await propose(options, floor);
    if (from === undefined) {
      by = 'mark';
      // A users database that was restored has a mark below the one that we know.
      from = floor = Math.max(floor, await marks.read());
    }
    const to = from + count;
    if (to > maxId) throw new StoreRefusedError(marks.name, `all ${maxId} ids of the counter are given out`);
    try {
      if (await marks.advance({ from, to })) return { first: from + 1, last: to, by };
    } catch (error) {
      if (!(error instanceof OutcomeUnknownError)) throw error;
      onWasted(count);
      // One lost answer is a broken connection. After two, the database does not answer.
      if (isAnswerLost) throw error;
      isAnswerLost = true;
      continue;
    }
    floor = Math.max(floor, await marks.read());
  }
  throw new StoreUnavailableError(marks.name, `other mappers took all ids ${ATTEMPTS} times`);
}

/** The id after which the Redis proposes to begin. Undefined when it cannot be used. */
async function propose(
  { redis, count, maxId, onWasted, onWithoutRedis }: ReserveIdsOptions,
  floor: number,
): Promise<number | undefined> {
  try {
    const from = await redis.next(count, floor);
    const isPlausible = from - floor <= MAX_LEAD && (from + count <= maxId || floor + count > maxId);
    if (isPlausible) return from;
    onWithoutRedis(new Error(`the counter of ${redis.name} is ${from}, and ${floor} is the highest mark`));
  } catch (error) {
    if (!isOutage(error) && !isContradiction(error)) throw error;
    if (error instanceof OutcomeUnknownError) onWasted(count);
    onWithoutRedis(error);
  }
  return undefined;
}
