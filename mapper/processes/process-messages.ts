import type { MetricsSnapshot } from '../../runtime/metrics.ts';
import type { Readiness } from '../../runtime/admin.ts';

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
  /** Answers `loaded`. */
  | { readonly kind: 'begin' }
  | { readonly kind: 'question'; readonly id: number; readonly question: Question }
  /** Serve on for a moment, drain, give back, exit. */
  | { readonly kind: 'stop' };

export type ToParent =
  /** It opens no store, and so takes no key, before it is told to begin: until then nobody has to ask it for its keys. */
  | { readonly kind: 'loaded' }
  | { readonly kind: 'serving'; readonly url: string; readonly publicUrl: string }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: unknown };
