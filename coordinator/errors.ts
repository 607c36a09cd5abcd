import { KeymillError } from '../runtime/errors.ts';

/**
 * What can go wrong between this process and the ensemble.
 *
 * - `NOT_CONNECTED`: nothing was sent, or the ensemble did not accept it; try again after the session is
 *   attached.
 * - `OUTCOME_UNKNOWN`: it was sent and no answer came; read the node to see whether it was done.
 * - `SESSION_EXPIRED`: final; open a new session.
 * - `NO_NODE`, `NODE_EXISTS`, `BAD_VERSION`, `NOT_EMPTY`: the ensemble's answer about a node.
 * - `UNAVAILABLE`: no server answered in time.
 * - `REFUSED`: the ensemble answered with another error, or the connect string is invalid; see the message.
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

/** Every error that coordinator/ throws on purpose. Compare its `code`. */
export class CoordinationError extends KeymillError {
  override readonly code: CoordinationErrorCode;

  constructor(code: CoordinationErrorCode, message: string, options?: { cause?: unknown }) {
    super(code, message, options);
    this.code = code;
  }
}

/** True if `error` is a {@link CoordinationError} with one of these codes. */
export function isCoordinationError(error: unknown, ...codes: CoordinationErrorCode[]): boolean {
  return error instanceof CoordinationError && codes.includes(error.code);
}
