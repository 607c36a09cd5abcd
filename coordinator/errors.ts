import { codeOf, KeymillError } from '../runtime/errors.ts';

/**
 * What can go wrong between this process and the ensemble, as one word.
 *
 * - `NOT_CONNECTED`: nothing was sent; try again after the session is attached.
 * - `OUTCOME_UNKNOWN`: it was sent and no answer came; read before concluding anything.
 * - `SESSION_EXPIRED`: the ensemble's final word; open a new session.
 * - `NO_NODE`, `NODE_EXISTS`, `BAD_VERSION`, `NOT_EMPTY`: the ensemble's answer about a node.
 * - `UNAVAILABLE`: no server answered in time.
 * - `REFUSED`: the ensemble answered with some other error; its code stands in the message.
 */
export type CoordinationErrorCode =
  | 'NOT_CONNECTED'
  | 'OUTCOME_UNKNOWN'
  | 'SESSION_EXPIRED'
  | 'NO_NODE'
  | 'NODE_EXISTS'
  | 'BAD_VERSION'
  | 'NOT_EMPTY'
  | 'UNAVAILABLE'
  | 'REFUSED';

/** Every error of coordinator/ on purpose: look at `code`. */
export class CoordinationError extends KeymillError {
  constructor(code: CoordinationErrorCode, message: string, options?: { cause?: unknown }) {
    super(code, message, options);
  }
}

/** True if `error` is a {@link CoordinationError} with one of these codes. */
export function isCoordinationError(error: unknown, ...codes: CoordinationErrorCode[]): boolean {
  return error instanceof CoordinationError && codes.some((code) => code === codeOf(error));
}
