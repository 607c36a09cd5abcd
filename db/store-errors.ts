import { KeymillError } from '../runtime/errors.ts';

/**
 * Nothing was written and nothing was read: the store could not be reached, was busy (lock wait, deadlock, too many
 * connections), or refuses writes for now. Repeat later, or choose another store.
 */
export class StoreUnavailableError extends KeymillError {
  constructor(store: string, reason: string, cause?: unknown) {
    super('STORE_UNAVAILABLE', `${store} is unavailable: ${reason}`, { cause });
  }
}

/**
 * The statement was sent and no answer came: it may have happened, may never happen, or may still happen.
 * Resolve it by repeating an idempotent statement, then reading; reading alone can read too early.
 */
export class OutcomeUnknownError extends KeymillError {
  constructor(store: string, reason: string, cause?: unknown) {
    super('OUTCOME_UNKNOWN', `${store} did not confirm a write: ${reason}`, { cause });
  }
}

/** A primary or unique key stands already; nothing of the statement was written. Read the rows to learn whose they are. */
export class DuplicateRowError extends KeymillError {
  constructor(store: string, reason: string, cause?: unknown) {
    super('DUPLICATE_ROW', `${store}: ${reason}`, { cause });
  }
}

/** The epoch handed in is no longer the store's: another reign has begun, or the store was put back to an earlier state. Drop everything that belongs to the old one. */
export class FencedError extends KeymillError {
  constructor(store: string, reason: string, cause?: unknown) {
    super('FENCED', `${store}: ${reason}`, { cause });
  }
}

/** The answer of a store that has seen a later reign than the one of `epoch`. */
export function fenced(store: { readonly name: string }, epoch: number): FencedError {
  return new FencedError(store.name, `epoch ${epoch} is over, another reign has begun`);
}

/** Store and configuration contradict each other (secret, key length, shard number, slots, ensemble, schema). A person must decide. */
export class MismatchError extends KeymillError {
  constructor(store: string, reason: string, cause?: unknown) {
    super('MISMATCH', `${store}: ${reason}`, { cause });
  }
}

/** The store understood and refused for good (bad value, missing right): a fault in the program or in its grants. */
export class StoreRefusedError extends KeymillError {
  constructor(store: string, reason: string, cause?: unknown) {
    super('STORE_REFUSED', `${store} refused a statement: ${reason}`, { cause });
  }
}
