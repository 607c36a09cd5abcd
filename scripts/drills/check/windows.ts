import type { HistoryEntry } from '../load/history.ts';
import type { FaultWindow } from '../stage/stage.ts';

/** What clients saw during the faults, from `graceMs` after each began to its end. */
export interface FaultTally {
  shortens: number;
  acked: number;
  redirects: number;
  right: number;
  /** Shortens answered 503, and how fast. */
  refusedMs: number[];
  refusedWithoutRetryAfter: number;
  redirectsRefusedMs: number[];
}

/** Counts the part of a history that lies inside the faults' windows. */
export class FaultTallyKeeper {
  readonly #windows: readonly FaultWindow[];
  readonly #graceMs: number;
  readonly tally: FaultTally = {
    shortens: 0,
    acked: 0,
    redirects: 0,
    right: 0,
    refusedMs: [],
    refusedWithoutRetryAfter: 0,
    redirectsRefusedMs: [],
  };

  constructor(windows: readonly FaultWindow[], graceMs: number) {
    this.#windows = windows;
    this.#graceMs = graceMs;
  }

  add(entry: HistoryEntry): void {
    if (entry.op !== 'shorten' && entry.op !== 'redirect') return;
    if (!this.#windows.some(({ fromMs, toMs }) => entry.at >= fromMs + this.#graceMs && entry.at <= toMs))
      return;
    const { tally } = this;
    if (entry.op === 'redirect') {
      tally.redirects += 1;
      if (entry.outcome === 'right') tally.right += 1;
      if (entry.outcome === 'refused') tally.redirectsRefusedMs.push(entry.ms);
      return;
    }
    tally.shortens += 1;
    if (entry.outcome === 'acked') tally.acked += 1;
    if (entry.outcome !== 'refused') return;
    tally.refusedMs.push(entry.ms);
    if (entry.retryAfter !== true) tally.refusedWithoutRetryAfter += 1;
  }

  summary(): { ackedShare: number; redirectShare: number; refusedP99Ms: number } {
    const { shortens, acked, redirects, right, refusedMs } = this.tally;
    return {
      ackedShare: shortens === 0 ? 1 : acked / shortens,
      redirectShare: redirects === 0 ? 1 : right / redirects,
      refusedP99Ms: percentile(refusedMs, 0.99),
    };
  }
}

/** When the last shorten was sent that was not acknowledged, after `healedMs`, as a time since then; 0 when all were. */
export class RecoveryKeeper {
  readonly #healedMs: number;
  backMs = 0;

  constructor(healedMs: number) {
    this.#healedMs = healedMs;
  }

  add(entry: HistoryEntry): void {
    if (entry.op === 'shorten' && entry.outcome !== 'acked' && entry.at > this.#healedMs)
      this.backMs = Math.max(this.backMs, entry.at - this.#healedMs);
  }
}

/** The value below which the share `p` of the values lies; 0 of none. */
export function percentile(values: readonly number[], p: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))] ?? 0;
}

/** Sorted and rounded, with median and maximum. */
export function distributionOf(values: readonly number[]): { p50: number; max: number; all: number[] } {
  const all = values.map((value) => Math.round(value * 10) / 10).sort((a, b) => a - b);
  return { p50: percentile(all, 0.5), max: all.at(-1) ?? 0, all };
}
