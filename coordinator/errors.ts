import { KeymillError } from '../runtime/errors.ts';

/**
 * What can go wrong between this process and the ensemble.
 *
 * - `NOT_CONNECTED`: nothing was sent, or the ensemble did not accept it; try again after the session is
 *   attached.
 * - `OUTCOME_UNKNOWN`: it was sent and no answer came; read the node to see whether it was done.
 * - `SESSION_EXPIRED`: final; open a new session.
 * - `NO_NODE`, `NODE_EXISTS`, `BAD_VERSION`, `NOT_EMPTY`: the ensemble's answer about a node.
 * - `NO_AUTH`: the node belongs to others; check the credentials, KEYMILL_ZOOKEEPER_AUTH.
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
  | 'NO_AUTH'
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

/** @param auth the credentials of the connection, which the message does not contain */
export function notAllowed(auth: string | undefined, cause?: unknown): CoordinationError {
  const why =
    auth === undefined
      ? 'it takes credentials to change this node, and KEYMILL_ZOOKEEPER_AUTH is not set'
      : 'this node belongs to other credentials than those of KEYMILL_ZOOKEEPER_AUTH';
  return new CoordinationError('NO_AUTH', why, { cause });
}

/** The same error, and what was asked for. */
export function named(what: string, error: CoordinationError): CoordinationError {
  return new CoordinationError(error.code, `${what}: ${error.message}`, { cause: error.cause });
}
