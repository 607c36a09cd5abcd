import type { Stage } from './stage/stage.ts';

/** One row of the failure matrix as something that can be done to a running cluster. */
export interface Drill {
  readonly name: string;
  /** What it does and what must happen, in one sentence. */
  readonly does: string;
  /** What it needs besides a running cluster. */
  readonly needs: readonly Need[];
  /** Of each part. */
  readonly rounds: number;
  /** Variants of the fault, played one after another and reported by themselves as well. */
  readonly parts?: readonly string[];
  /** It leaves a cluster in which others might not find what they expect: one of our own is thrown away. */
  readonly wears?: true;
  /** One round: the fault, its measuring, its healing. The runner then waits until the cluster is quiet. */
  round(stage: Stage, part: string): Promise<void>;
}

/** `root`: to mount a small disk; `faketime`: Debian's libfaketime; `wire`: a cluster started with `up --faultable`. */
export type Need = 'root' | 'faketime' | 'wire';

export interface Distribution {
  readonly p50: number;
  readonly max: number;
  readonly all: readonly number[];
}

/** What one part of a drill showed. */
export interface PartReport {
  readonly name: string;
  readonly rounds: number;
  readonly unownedMs: Distribution;
  readonly deadMs: Distribution;
}

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
  /** Times in which nobody held a shard. */
  readonly unownedMs: Distribution;
  /** Times from the fault to the next holder's lock. */
  readonly deadMs: Distribution;
  /** The same of each part by itself; empty when the drill has no parts. */
  readonly parts: readonly PartReport[];
  /** Keys that killed mappers took with them, in the worst round, and what they may have held then. */
  readonly stranded: { readonly keys: number; readonly bound: number } | null;
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
    /** Shortens answered 503, and how fast. */
    readonly refused: number;
    readonly refusedP99Ms: number;
    /** By how much the share acknowledged in the last 15 s is below that of the first 15 s; null in a shorter fault. */
    readonly decay: number | null;
  };
  readonly violations: readonly string[];
  readonly timeline: readonly { readonly ms: number; readonly event: string }[];
  readonly historyFile: string;
  readonly passed: boolean;
}
