import type { Stage } from './stage/stage.ts';

/** What this cluster was configured with, as far as a drill's bounds depend on it. */
export interface Limits {
  /** T: after this a silent holder's lock is free. */
  readonly sessionTimeoutMs: number;
  /** ZooKeeper looks for expired sessions this often. */
  readonly tickMs: number;
}

/** What a drill must show besides what every drill must: nothing lost, doubled, misled, claimed or delivered out of turn. */
export interface Goals {
  /** Shortens without an acceptable answer, at most (refused ones included). */
  readonly failedShortens?: number;
  readonly failedRedirects?: number;
  readonly unownedP50Ms?: number;
  readonly unownedMaxMs?: number;
  /** From the fault to the next holder's lock. */
  readonly deadMaxMs?: number;
  /** The longest time without an acknowledgement. */
  readonly unavailableMs?: number;
  /** Share of shortens acknowledged during the fault, from `graceMs` after its beginning. */
  readonly ackedShare?: number;
  readonly redirectShare?: number;
  readonly graceMs?: number;
  /** After healing every shorten is acknowledged again from this time on. */
  readonly backWithinMs?: number;
  /** 99 of 100 refusals are this fast. */
  readonly refusedP99Ms?: number;
  readonly redirectRefusedMaxMs?: number;
}

/** One row of the failure matrix as something that can be done to a running cluster. */
export interface Drill {
  readonly name: string;
  /** What it does and what must happen, in one sentence. */
  readonly does: string;
  /** What it needs besides a running cluster. */
  readonly needs: readonly Need[];
  readonly rounds: number;
  readonly goals: (limits: Limits) => Goals;
  /** One round: the fault, its measuring, its healing. The runner then waits until the cluster is quiet. */
  round(stage: Stage, round: number): Promise<void>;
}

/** `root`: to mount a small disk; `faketime`: Debian's libfaketime. */
export type Need = 'root' | 'faketime';

export interface DrillReport {
  readonly name: string;
  readonly seed: number;
  readonly rounds: number;
  readonly rate: number;
  readonly sent: number;
  readonly acked: number;
  readonly failed: number;
  readonly refused: number;
  readonly unknown: number;
  readonly redirects: number;
  readonly redirectsFailed: number;
  readonly lost: number;
  readonly duplicates: number;
  readonly wrongTarget: number;
  /** Reigns and calls that a store refused for an old epoch, as the producers logged them. */
  readonly fenced: number;
  /** Null when no audit could be had. */
  readonly leaked: number | null;
  readonly unownedMs: { readonly p50: number; readonly max: number; readonly all: readonly number[] };
  readonly deadMs: { readonly p50: number; readonly max: number; readonly all: readonly number[] };
  readonly takeoverMs: number;
  readonly unavailableMs: number;
  /** From healing to the last shorten that was not acknowledged; null where nothing must be refused. */
  readonly backMs: number | null;
  /** What `unownedMs.max` (and, where the whole host is lost, the time from its loss) must not exceed. */
  readonly boundMs: number | null;
  /** Shares and times during the faults themselves. */
  readonly during: {
    readonly ackedShare: number;
    readonly redirectShare: number;
    readonly refusedP99Ms: number;
  };
  readonly violations: readonly string[];
  readonly timeline: readonly { readonly ms: number; readonly event: string }[];
  readonly historyFile: string;
  readonly passed: boolean;
}
