import { upperPercentile } from '../../runtime/statistics.ts';
import type { HistoryEntry } from '../history/history.ts';
import type { FaultWindow } from '../history/measurements.ts';
import type { Distribution, DrillReport } from '../report.ts';

/**
 * Counts of what the clients saw during the faults, from `graceMs` after the beginning of each to its end.
 */
export interface FaultTally {
  shortens: number;
  acked: number;
  redirects: number;
  right: number;
  /** How long each answer with 503 took. */
  refusedMs: number[];
  refusedWithoutRetryAfter: number;
  /** The first and the last 15 s of faults that last at least 30 s after the grace. */
  early: Share;
  late: Share;
}

interface Share {
  shortens: number;
  acked: number;
}

const END_MS = 15_000;

/** Counts the entries of a history that lie inside the windows of the faults. */
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
    early: { shortens: 0, acked: 0 },
    late: { shortens: 0, acked: 0 },
  };

  constructor(windows: readonly FaultWindow[], graceMs: number) {
    this.#windows = windows;
    this.#graceMs = graceMs;
  }

  add(entry: HistoryEntry): void {
    if (entry.op !== 'shorten' && entry.op !== 'redirect') return;
    const window = this.#windows.find(
      ({ fromMs, toMs }) => entry.at >= fromMs + this.#graceMs && entry.at <= toMs,
    );
    if (window === undefined) return;
    const { tally } = this;
    if (entry.op === 'redirect') {
      tally.redirects += 1;
      if (entry.outcome === 'right') tally.right += 1;
      return;
    }
    const isAcked = entry.outcome === 'acked';
    for (const share of [tally, ...this.#endsAt(window, entry.at)]) {
      share.shortens += 1;
      if (isAcked) share.acked += 1;
    }
    if (entry.outcome !== 'refused') return;
    tally.refusedMs.push(entry.ms);
    if (entry.retryAfter !== true) tally.refusedWithoutRetryAfter += 1;
  }

  summary(): DrillReport['during'] {
    const { redirects, right, refusedMs, early, late } = this.tally;
    return {
      ackedShare: shareOf(this.tally),
      redirectShare: redirects === 0 ? 1 : right / redirects,
      refused: refusedMs.length,
      refusedP99Ms: refusedMs.length === 0 ? 0 : upperPercentile(refusedMs, 0.99),
      decay: early.shortens === 0 ? null : shareOf(early) - shareOf(late),
    };
  }

  #endsAt({ fromMs, toMs }: FaultWindow, at: number): Share[] {
    const from = fromMs + this.#graceMs;
    if (toMs - from < 2 * END_MS) return [];
    if (at < from + END_MS) return [this.tally.early];
    return at > toMs - END_MS ? [this.tally.late] : [];
  }
}

function shareOf({ shortens, acked }: Share): number {
  return shortens === 0 ? 1 : acked / shortens;
}

/**
 * How long after `healedMs` the last shorten without an acknowledgement was sent. 0 if all were acknowledged.
 */
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

/** Sorted and rounded, with median and maximum. Both are 0 if there are no values. */
export function distributionOf(values: readonly number[]): Distribution {
  const all = values.map((value) => Math.round(value * 10) / 10).sort((a, b) => a - b);
  return { p50: all.length === 0 ? 0 : upperPercentile(all, 0.5), max: all.at(-1) ?? 0, all };
}
