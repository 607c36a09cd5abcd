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
  /**
   * The highest mark that is known, read just now: no id up to it is given out again. Reading it first also
   * shows that the database answers: without that, every trial of an outage would move the counter.
   */
  readonly floor: number;
  /** The last id of the region. */
  readonly maxId: number;
  /** Ids that may be nobody's from now on, because an answer was lost. */
  readonly onWasted: (count: number) => void;
  /** Why the Redis was not used this time. */
  readonly onWithoutRedis: (error: unknown) => void;
  /** The counter was too far above the mark, and was set to it. */
  readonly onSetBack: (counter: number, mark: number) => void;
}

/** Other mappers may be first. A batch is tried for again soon after that. */
const ATTEMPTS = 4;
/**
 * How far the counter may be ahead of the mark: five of the largest batches for each of 64 processes. A
 * mapper that has read the mark allows for twice as many ids above it (`IssuedKeys`).
 */
const MAX_LEAD = 2 ** 25;

/**
 * Reserves `count` ids that nobody else gets, or fewer at the end of the region. The counter on Redis
 * proposes them, and the mark decides: they are ours once it was moved past them. A counter that is behind is
 * lifted to the mark, and one that is too far ahead is set back to it. Without Redis, the ids after the mark
 * are proposed.
 * @throws StoreUnavailableError, OutcomeUnknownError, ImpossibleValueError: nothing is ours;
 *   StoreRefusedError when the region is full
 */
export async function reserveIds(options: ReserveIdsOptions): Promise<ReservedIds> {
  const { marks, maxId, onWasted } = options;
  let { floor } = options;
  let isAnswerLost = false;
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    if (floor >= maxId)
      throw new StoreRefusedError(marks.name, `all ${maxId} ids of the counter are given out`);
    const proposed = await propose(options, floor);
    const by = proposed === undefined ? 'mark' : 'redis';
    const from = proposed ?? floor;
    const to = Math.min(from + options.count, maxId);
    try {
      if (await marks.advance({ from, to })) return { first: from + 1, last: to, by };
    } catch (error) {
      const isUnknown = error instanceof OutcomeUnknownError;
      if (isUnknown || proposed !== undefined) onWasted(to - from);
      // One lost answer is a broken connection. After two, the database does not answer.
      if (isAnswerLost || !isUnknown) throw error;
      isAnswerLost = true;
    }
    // Also a users database that was restored: its mark is below the one that we know.
    floor = Math.max(floor, await marks.read());
  }
  throw new StoreUnavailableError(marks.name, `other mappers took all ids ${ATTEMPTS} times`);
}

/** The id after which the Redis proposes to begin. Undefined when it cannot be used. */
async function propose(
  { redis, count, maxId, onWasted, onWithoutRedis, onSetBack }: ReserveIdsOptions,
  mark: number,
): Promise<number | undefined> {
  // Below the end of the region, there must be room for a batch.
  const ceiling = Math.max(mark, Math.min(mark + MAX_LEAD, maxId - count));
  try {
    const { from, was } = await redis.next(count, { mark, ceiling });
    if (was > ceiling) onSetBack(was, mark);
    return from;
  } catch (error) {
    if (!isOutage(error) && !isContradiction(error)) throw error;
    if (error instanceof OutcomeUnknownError) onWasted(count);
    onWithoutRedis(error);
    return undefined;
  }
}
