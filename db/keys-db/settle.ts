import { OutcomeUnknownError } from '../store-errors.ts';

const ATTEMPTS = 3;

/**
 * Runs an idempotent write and repeats it while its outcome is unknown: the repetition waits for the first one's locks,
 * so that what it answers is true after both.
 * @throws OutcomeUnknownError when every attempt went unanswered
 */
export async function settle<T>(write: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await write();
    } catch (error) {
      if (!(error instanceof OutcomeUnknownError) || attempt === ATTEMPTS) throw error;
    }
  }
}
