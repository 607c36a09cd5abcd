import type { IdRange } from '../../db/keyspace/key.ts';
import type { Readiness } from '../../runtime/admin.ts';
import type { MetricsSnapshot } from '../../runtime/metrics.ts';

/**
 * The IPC messages between a mapper's parent process and its children. Both run the same version: one forks
 * the other.
 */

/** The questions that a child answers, with the type of each answer. */
export interface Answers {
  readonly readiness: Readiness;
  /** Every key that it holds. */
  readonly reserve: { readonly keys: readonly string[]; readonly ranges: readonly IdRange[] };
  readonly metrics: MetricsSnapshot;
}

export type Question = keyof Answers;

export type ToChild =
  /** The answer to `loaded`. */
  | { readonly kind: 'begin' }
  | { readonly kind: 'question'; readonly id: number; readonly question: Question }
  /** Serve for another second, drain, return the keys, exit. */
  | { readonly kind: 'stop' };

export type ToParent =
  /**
   * The child opens no store, and so takes no key, before `begin`. Until then the parent need not ask for its
   * keys.
   */
  | { readonly kind: 'loaded' }
  | { readonly kind: 'serving'; readonly url: string; readonly publicUrl: string }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: unknown };
