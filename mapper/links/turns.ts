import { StoreUnavailableError } from '../../db/store-errors.ts';
import { AnswerDeadline } from '../../runtime/answer-deadline.ts';
import { KeymillError } from '../../runtime/errors.ts';

/** No turn came in time, or too many wait already. The work has not begun. */
export class NoTurnError extends KeymillError {
  constructor(reason: string) {
    super('NO_TURN', reason);
  }
}

export interface TurnsOptions {
  /** Most pieces of work, of all keys together, that are under way or wait. */
  readonly maxWaiting: number;
  /** The same for one key. */
  readonly maxOfKey: number;
  /** How long a piece of work waits for its turn. */
  readonly waitMs: number;
  /** How many have their turn at a time, of one key (default: one). */
  readonly atOnce?: number;
}

/** Begins the turn of a piece of work that waits. */
type Waiter = () => void;

interface Queue {
  /** How many have their turn. */
  running: number;
  readonly waiters: Set<Waiter>;
}

/**
 * One piece of work at a time for each key, or a few, in the order of their calls. So the changes of one link
 * that reach this process together do not make each other start again.
 */
export class Turns {
  readonly #options: TurnsOptions;
  /** By key, of those that are taken. */
  readonly #queues = new Map<string, Queue>();
  #count = 0;

  constructor(options: TurnsOptions) {
    this.#options = options;
  }

  /**
   * @param work called with whether it had to wait for its turn
   * @throws NoTurnError, or the error of `work`
   */
  async take<T>(key: string, work: (hasWaited: boolean) => Promise<T>): Promise<T> {
    const { maxWaiting, maxOfKey, atOnce = 1 } = this.#options;
    const queue = this.#queues.get(key) ?? { running: 0, waiters: new Set() };
    if (this.#count >= maxWaiting || queue.running + queue.waiters.size >= maxOfKey)
      throw new NoTurnError('too many others wait already');
    this.#queues.set(key, queue);
    this.#count += 1;
    const mustWait = queue.running >= atOnce;
    try {
      if (mustWait) await this.#wait(queue.waiters);
      else queue.running += 1;
      try {
        return await work(mustWait);
      } finally {
        this.#passOn(key, queue);
      }
    } finally {
      this.#count -= 1;
    }
  }

  async #wait(waiters: Set<Waiter>): Promise<void> {
    const { waitMs } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const deadline = new AnswerDeadline(waitMs, () => {
      waiters.delete(resolve);
      reject(new NoTurnError(`no turn within ${waitMs} ms`));
    });
    waiters.add(resolve);
    try {
      await promise;
    } finally {
      deadline.clear();
    }
  }

  #passOn(key: string, queue: Queue): void {
    const [next] = queue.waiters;
    if (next !== undefined) {
      queue.waiters.delete(next);
      next();
      return;
    }
    queue.running -= 1;
    if (queue.running === 0) this.#queues.delete(key);
  }
}

/**
 * {@link Turns.take} for work on a server.
 * @throws StoreUnavailableError when too many others wait, or the turn does not come in time
 */
export async function takeTurn<T>(
  turns: Turns,
  { server, key }: { readonly server: string; readonly key: string },
  work: (hasWaited: boolean) => Promise<T>,
): Promise<T> {
  try {
    return await turns.take(key, work);
  } catch (error) {
    if (!(error instanceof NoTurnError)) throw error;
    throw new StoreUnavailableError(server, `requests wait for others: ${error.message}`, error);
  }
}
