import type { MetricsSnapshot } from '../runtime/metrics.ts';
import type { Readiness } from '../runtime/admin.ts';

/** What a mapper's parent process and its children say to each other over IPC. Both are the same version: one forks the other. */

/** What a child can be asked, and what it answers. */
export interface Answers {
  readonly readiness: Readiness;
  /** Every key in its hands. */
  readonly reserve: readonly string[];
  readonly metrics: MetricsSnapshot;
}

export type Question = keyof Answers;

export type ToChild =
  | { readonly kind: 'question'; readonly id: number; readonly question: Question }
  /** Serve on for a moment, drain, give back, exit. */
  | { readonly kind: 'stop' };

export type ToParent =
  | { readonly kind: 'serving'; readonly url: string; readonly publicUrl: string }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: unknown };
