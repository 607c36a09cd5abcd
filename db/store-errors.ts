import { KeymillError } from '../runtime/errors.ts';
import { ImpossibleValueError } from '../runtime/stored-values.ts';

/**
 * Nothing was written and nothing was read. The store could not be reached, was busy (lock wait, deadlock,
 * too many connections), or refuses writes for now. Repeat later, or use another store.
 */
export class StoreUnavailableError extends KeymillError {
  readonly store: string;
  readonly reason: string;

  constructor(store: string, reason: string, cause?: unknown) {
    super('STORE_UNAVAILABLE', `${store} is unavailable: ${reason}`, { cause });
    this.store = store;
    this.reason = reason;
  }

  /** What users are told. What the driver says, with its addresses, is for the log. */
  get toldToUsers(): string {
    return `${this.store} cannot be reached just now.`;
  }
}

/**
 * Nothing was sent, because all of our own connections to the store are in use: too many statements wait for
 * one already, or none was free in time. It says nothing about the store, so no circuit breaker counts it.
 */
export class QueueFullError extends StoreUnavailableError {}

/** Whether a failure says something about the store, so that its circuit breaker must hear of it. */
export function isAboutStore(error: unknown): boolean {
  return !(error instanceof QueueFullError);
}

/** Whether an error means that the store is away or does not answer. */
export function isOutage(error: unknown): error is StoreUnavailableError | OutcomeUnknownError {
  const isFailure = error instanceof StoreUnavailableError || error instanceof OutcomeUnknownError;
  return isFailure && isAboutStore(error);
}

/**
 * The statement was sent and no answer came. It may have happened, may never happen, or may still happen. To
 * resolve it, repeat an idempotent statement, then read. A read alone can come too early.
 */
export class OutcomeUnknownError extends KeymillError {
  constructor(store: string, reason: string, cause?: unknown) {
    super('OUTCOME_UNKNOWN', `${store} did not confirm a write: ${reason}`, { cause });
  }
}

/**
 * A primary or unique key exists already. Nothing of the statement was written. Read the rows to learn who
 * wrote them.
 */
export class DuplicateRowError extends KeymillError {
  constructor(store: string, reason: string, cause?: unknown) {
    super('DUPLICATE_ROW', `${store}: ${reason}`, { cause });
  }
}

/**
 * The store does not accept the epoch any more: another reign has begun, or the store was restored to an
 * earlier state. Drop everything that belongs to the old reign.
 */
export class FencedError extends KeymillError {
  constructor(store: string, reason: string, cause?: unknown) {
    super('FENCED', `${store}: ${reason}`, { cause });
  }
}

/** The error for a store that has seen a later reign than that of `epoch`. */
export function fenced(store: { readonly name: string }, epoch: number): FencedError {
  return new FencedError(store.name, `epoch ${epoch} is over, another reign has begun`);
}

/**
 * Store and configuration contradict each other (secret, key length, shard number, slots, ensemble, schema).
 * A person must decide which is right.
 */
export class MismatchError extends KeymillError {
  constructor(store: string, reason: string, cause?: unknown) {
    super('MISMATCH', `${store}: ${reason}`, { cause });
  }
}

/**
 * The schema is of another version, which this program must not use. Migrate it, or use the newer program.
 */
export class SchemaMismatchError extends MismatchError {}

/**
 * The store refused the statement permanently (bad value, missing right): a fault in the program or in its
 * grants.
 */
export class StoreRefusedError extends KeymillError {
  constructor(store: string, reason: string, cause?: unknown) {
    super('STORE_REFUSED', `${store} refused a statement: ${reason}`, { cause });
  }
}

/** Why a store is not used although it answers: only a person can mend it. */
export type Contradiction = MismatchError | ImpossibleValueError;

/** Whether to stop using the store until a person has mended it. Repeating does not help. */
export function isContradiction(error: unknown): error is Contradiction {
  return error instanceof MismatchError || error instanceof ImpossibleValueError;
}
