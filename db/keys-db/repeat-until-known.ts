import { OutcomeUnknownError } from '../store-errors.ts';

const ATTEMPTS = 3;

/**
 * Runs an idempotent write, and repeats it while its outcome is unknown. The repetition waits for the locks
 * of the first attempt, so its answer holds after both; a read alone could come before the first attempt
 * commits.
 * @throws OutcomeUnknownError when no attempt was answered
 */
export async function repeatUntilKnown<T>(write: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await write();
    } catch (error) {
      if (!(error instanceof OutcomeUnknownError) || attempt === ATTEMPTS) throw error;
    }
  }
}
