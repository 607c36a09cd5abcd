import { mean, meanInterval95 } from '../../runtime/statistics.ts';

/** One more comparison of a row: the fields mean what they mean in the row, and the ratio is judged. */
export interface FurtherComparison {
  /** Follows the name of the row, such as `beside nginx`. */
  readonly label: string;
  readonly value: number;
  readonly baseline: string;
  readonly baselineValue: number;
  readonly ratio: number;
  readonly interval: readonly [number, number];
  /** Null: it is only shown. */
  readonly goal: number | null;
  readonly isReached: boolean;
}

/** One line of `keymill bench`: a figure, and the baseline of the bare store or machine in the same run. */
export interface BenchRow {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** What `baselineValue` is, in words. It has the same unit. */
  readonly baseline: string;
  readonly baselineValue: number;
  /** `value / baselineValue` */
  readonly ratio: number;
  /** 95 % confidence interval of what `judged` names. */
  readonly interval: readonly [number, number];
  /** The same thing measured against itself in the same run. Far from 1, the machine had other work. */
  readonly control: number;
  readonly better: 'higher' | 'lower';
  /** Goal for what `judged` names; null without a goal. */
  readonly goal: number | null;
  /** Whether this goal and those of all further comparisons are reached, in a valid measurement. */
  readonly passed: boolean;
  /** Whether goal and interval are for the figure itself or for its ratio to the baseline. */
  readonly judged: 'value' | 'ratio';
  /** Comparisons beside the first one. */
  readonly further?: readonly FurtherComparison[];
  /** Fewer and shorter rounds than the method needs. Such a row never passes. */
  readonly quick?: true;
  /** Further measurements and proofs. */
  readonly details: Readonly<Record<string, unknown>>;
}

export interface Measured {
  readonly name: string;
  readonly unit: string;
  /** One figure for each segment of the run; the segments hold equal amounts of work. */
  readonly samples: readonly number[];
  /** The figure of the whole run; default: the mean of the samples. */
  readonly value?: number;
  /** Default: Student's interval of the mean. */
  readonly interval?: readonly [number, number];
  readonly baseline: string;
  readonly baselineValue: number;
  readonly control: number;
  readonly better?: 'higher' | 'lower';
  readonly goal?: number;
  /** Whether further conditions hold, such as a proof. Default: true. */
  readonly holds?: boolean;
  readonly details?: Readonly<Record<string, unknown>>;
}

/** Rounds and judges a figure. Pure. */
export function toRow(measured: Measured): BenchRow {
  const { name, unit, samples, baseline, baselineValue, control } = measured;
  const { better = 'higher', goal, holds = true, details = {} } = measured;
  const value = measured.value ?? mean(samples);
  const [low, high] = measured.interval ?? meanInterval95(samples);
  return {
    name,
    value: round(value),
    unit,
    baseline,
    baselineValue: round(baselineValue),
    ratio: round(value / baselineValue),
    interval: [round(low), round(high)],
    control: round(control),
    better,
    goal: goal ?? null,
    passed: holds && isReached(value, goal, better),
    judged: 'value',
    details,
  };
}

export function isReached(value: number, goal: number | undefined, better: 'higher' | 'lower'): boolean {
  if (goal === undefined) return true;
  return better === 'higher' ? value >= goal : value <= goal;
}

/** Keeps four significant digits, and six from a thousand on. 0 for what is not finite. */
export function round(value: number): number {
  return Number.isFinite(value) ? Number(value.toPrecision(Math.abs(value) >= 1_000 ? 6 : 4)) : 0;
}
