import type { SessionCredentials } from '../../coordinator/session.ts';

/** The messages between supervisor and worker over IPC. Both run the same version of the program. */

export type ToSupervisor =
  /** All modules are loaded; the process waits for `start`. */
  | { readonly kind: 'loaded' }
  /**
   * A session was opened: close it when this process is dead. No lock is taken before this is acknowledged.
   */
  | { readonly kind: 'session'; readonly credentials: SessionCredentials }
  /** That session is over and need not be closed. */
  | { readonly kind: 'sessionOver'; readonly sessionId: string }
  /** The worker contends for shards. */
  | { readonly kind: 'ready' };

export type ToWorker =
  /** Be the worker: until then the process has only loaded its modules. */
  | { readonly kind: 'start' }
  | { readonly kind: 'acknowledged'; readonly sessionId: string }
  /** Release all shards and exit. */
  | { readonly kind: 'stop' };

/**
 * Exit code of a worker that contradicts its stores or its configuration: starting it again does not help.
 */
export const EXIT_MISCONFIGURED = 78;
