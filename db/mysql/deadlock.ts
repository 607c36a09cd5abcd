import { codeOf } from '../../runtime/errors.ts';
import { StoreUnavailableError } from '../store-errors.ts';

/** How many times a write that lost a deadlock is repeated immediately: nothing of it was written. */
const MAX_DEADLOCKS = 5;

/** Runs a write, and repeats it while it loses deadlocks. @throws the error of the last attempt */
export async function repeatAfterDeadlock<T>(write: () => Promise<T>): Promise<T> {
  for (let deadlocks = 0; ; deadlocks += 1) {
    try {
      return await write();
    } catch (error) {
      if (!isDeadlock(error) || deadlocks === MAX_DEADLOCKS) throw error;
    }
  }
}

function isDeadlock(error: unknown): boolean {
  return error instanceof StoreUnavailableError && codeOf(error.cause) === 'ER_LOCK_DEADLOCK';
}
