import { KeymillError } from '../errors.ts';

/** Wrong usage, or there is no cluster. Exit code 2; nothing was changed. */
export class UsageError extends KeymillError {
  constructor(message: string) {
    super('USAGE', message);
  }
}

/** No process or store answered. Exit code 2. Start the part that the message names, or try again. */
export class UnreachableError extends KeymillError {
  constructor(message: string, cause?: unknown) {
    super('UNREACHABLE', message, { cause });
  }
}

/** The command was understood and not carried out. Exit code 1. The message says why. */
export class RefusedError extends KeymillError {
  constructor(message: string, cause?: unknown) {
    super('REFUSED', message, { cause });
  }
}
