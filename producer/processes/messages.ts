import type { SessionCredentials } from '../../coordinator/session.ts';

/** What supervisor and worker say to each other over IPC. Both are the same version: one forks the other. */

export type ToSupervisor =
  /** All modules are loaded; waiting for `start`. */
  | { readonly kind: 'loaded' }
  /** A session was opened: close it when I am gone. No lock is taken before this is acknowledged. */
  | { readonly kind: 'session'; readonly credentials: SessionCredentials }
  /** That session is over: nothing to close any more. */
  | { readonly kind: 'sessionOver'; readonly sessionId: string }
  /** Contending for shards. */
  | { readonly kind: 'ready' };

export type ToWorker =
  /** Begin: until then the process has only loaded its modules. */
  | { readonly kind: 'start' }
  | { readonly kind: 'acknowledged'; readonly sessionId: string }
  /** Release everything and exit. */
  | { readonly kind: 'stop' };

/** Exit code of a worker that contradicts its stores or its configuration: starting it again would not help. */
export const EXIT_MISCONFIGURED = 78;
