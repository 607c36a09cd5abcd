import { KeymillError } from '../../runtime/errors.ts';

/** The cluster did not start or did not stop. The message says why and what to do. Exit code 1. */
export class ClusterError extends KeymillError {
  constructor(message: string, cause?: unknown) {
    super('CLUSTER', message, { cause });
  }
}
