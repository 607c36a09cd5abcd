import type { DrillRun } from './drill-run.ts';

/** Shortens a second; redirects are five times as many. */
export const USUAL_RATE = 100;

/** A fault that we inject on purpose, and how the system must react to it. */
export interface Drill {
  readonly name: string;
  /** The fault and the expected behaviour. `keymill drill --list` shows it. */
  readonly does: string;
  /** Requirements besides a running cluster. */
  readonly needs: readonly Need[];
  /** How often each part is repeated. */
  readonly rounds: number;
  /** Variants of the fault. They run one after another, and the report has figures for each. */
  readonly parts?: readonly string[];
  /** The drill begins with a cluster of `up --small`, which is always a private one. */
  readonly isForSmall?: true;
  /** Shortens a second, unless the command says another number. Default: {@link USUAL_RATE}. */
  readonly rate?: number;
  /** The cluster is not fit for other drills afterwards. A private cluster is replaced. */
  readonly isDestructive?: true;
  /** One round: makes the fault, measures, and heals. The runner then waits until the cluster quiesces. */
  round(run: DrillRun, part: string): Promise<void>;
}

/** `root`: to mount a small disk. `faketime`: Debian's libfaketime. `wire`: a cluster of `up --faultable`. */
export type Need = 'root' | 'faketime' | 'wire';
