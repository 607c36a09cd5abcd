import { upperPercentile } from '../../runtime/statistics.ts';
import type { HistoryEntry } from '../history/history.ts';
import type { FaultWindow, TimeWindow } from '../history/measurements.ts';
import type { DrillReport } from '../report.ts';

const SHARE = 0.99;

/** Compares the times of right redirects during the faults with those in the calm times before them. */
export class RedirectTimesKeeper {
  readonly #faults: readonly FaultWindow[];
  readonly #calms: readonly TimeWindow[];
  readonly #duringMs: number[] = [];
  readonly #withoutMs: number[] = [];

  constructor(faults: readonly FaultWindow[], calms: readonly TimeWindow[]) {
    this.#faults = faults;
    this.#calms = calms;
  }

  add(entry: HistoryEntry): void {
    if (entry.op !== 'redirect' || entry.outcome !== 'right') return;
    const isIn = ({ fromMs, toMs }: TimeWindow): boolean => entry.at >= fromMs && entry.at <= toMs;
    if (this.#faults.some(isIn)) this.#duringMs.push(entry.ms);
    else if (this.#calms.some(isIn)) this.#withoutMs.push(entry.ms);
  }

  /** Undefined without calm times. */
  result(): DrillReport['during']['redirectP99Ms'] {
    if (this.#duringMs.length === 0 || this.#withoutMs.length === 0) return undefined;
    const p99 = (times: readonly number[]): number => Math.round(upperPercentile(times, SHARE) * 10) / 10;
    return { during: p99(this.#duringMs), without: p99(this.#withoutMs) };
  }
}
