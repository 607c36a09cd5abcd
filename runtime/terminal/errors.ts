import { KeymillError } from '../../runtime/errors.ts';

/** The command was given something it cannot take, or there is no cluster to ask: exit code 2, nothing was changed. */
export class UsageError extends KeymillError {
  constructor(message: string) {
    super('USAGE', message);
  }
}

/** Nobody who could answer did: exit code 2. Start what the message names, or ask again. */
export class UnreachableError extends KeymillError {
  constructor(message: string, cause?: unknown) {
    super('UNREACHABLE', message, { cause });
  }
}

/** What was asked for was understood and did not happen: exit code 1. */
export class RefusedError extends KeymillError {
  constructor(message: string, cause?: unknown) {
    super('REFUSED', message, { cause });
  }
}
