import { StoreUnavailableError } from '../../db/store-errors.ts';
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
}

/** Begins the turn of a piece of work that waits. */
type Waiter = () => void;

/**
 * One piece of work at a time for each key, in the order of their calls. So the changes of one link that
 * reach this process together do not make each other start again.
 */
export class Turns {
  readonly #options: TurnsOptions;
  /** Who waits for each key that is taken, without the one whose turn it is. */
  readonly #waiting = new Map<string, Set<Waiter>>();
  #count = 0;

  constructor(options: TurnsOptions) {
    this.#options = options;
  }

  /**
   * @param work called with whether it had to wait for its turn
   * @throws NoTurnError, or the error of `work`
   */
  async take<T>(key: string, work: (hasWaited: boolean) => Promise<T>): Promise<T> {
    const { maxWaiting, maxOfKey } = this.#options;
    const others = this.#waiting.get(key);
    if (this.#count >= maxWaiting || (others !== undefined && others.size + 1 >= maxOfKey))
      throw new NoTurnError('too many others wait already');
    this.#count += 1;
    try {
      if (others === undefined) this.#waiting.set(key, new Set());
      else await this.#wait(others);
      try {
        return await work(others !== undefined);
      } finally {
        this.#passOn(key);
      }
    } finally {
      this.#count -= 1;
    }
  }

  async #wait(waiters: Set<Waiter>): Promise<void> {
    const { waitMs } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const deadline = setTimeout(() => {
      waiters.delete(resolve);
      reject(new NoTurnError(`no turn within ${waitMs} ms`));
    }, waitMs);
    waiters.add(resolve);
    try {
      await promise;
    } finally {
      clearTimeout(deadline);
    }
  }

  #passOn(key: string): void {
    const waiters = this.#waiting.get(key);
    const [next] = waiters ?? [];
    if (next === undefined) this.#waiting.delete(key);
    else {
      waiters?.delete(next);
      next();
    }
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
