/** The command was typed wrongly, or asks for what must not be done; the message says what is right. Exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** The cluster did not come up, or did not go down; the message says why and what to do. Exit code 1. */
export class ClusterError extends Error {
  override readonly name = 'ClusterError';
}
