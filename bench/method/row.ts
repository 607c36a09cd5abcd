import { intervalOf, meanOf } from '../interval.ts';

/** One line of `keymill bench`. Every figure stands beside what the bare store or machine reaches in the same run. */
export interface BenchRow {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** What `baselineValue` is, in words; the same unit. */
  readonly baseline: string;
  readonly baselineValue: number;
  /** `value / baselineValue` */
  readonly ratio: number;
  /** 95 % confidence, of what `judged` names. */
  readonly interval: readonly [number, number];
  /** The same thing measured against itself in the same run: far from 1, the machine was busy with something else. */
  readonly control: number;
  readonly better: 'higher' | 'lower';
  /** Of what `judged` names; null: no goal was set. */
  readonly goal: number | null;
  readonly passed: boolean;
  /** What goal and interval are of: `value` is a figure by itself, `ratio` one beside its baseline. */
  readonly judged: 'value' | 'ratio';
  /** Fewer and shorter rounds than the method asks for: never passed. */
  readonly quick?: true;
  /** What else was measured or proved. */
  readonly details: Readonly<Record<string, unknown>>;
}

export interface Measured {
  readonly name: string;
  readonly unit: string;
  /** One figure for each segment of the run; the segments hold equal amounts of work. */
  readonly samples: readonly number[];
  /** Over the whole run; without it, the mean of the samples. */
  readonly value?: number;
  /** Without it, Student's of the samples' mean. */
  readonly interval?: readonly [number, number];
  readonly baseline: string;
  readonly baselineValue: number;
  readonly control: number;
  readonly better?: 'higher' | 'lower';
  readonly goal?: number;
  /** Further conditions, such as a proof. */
  readonly holds?: boolean;
  readonly details?: Readonly<Record<string, unknown>>;
}

/** Rounds and judges a figure by itself. Pure. */
export function toRow(measured: Measured): BenchRow {
  const { name, unit, samples, baseline, baselineValue, control } = measured;
  const { better = 'higher', goal, holds = true, details = {} } = measured;
  const value = measured.value ?? meanOf(samples);
  const [low, high] = measured.interval ?? intervalOf(samples);
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

/** Four digits say all there is to say. */
export function round(value: number): number {
  return Number.isFinite(value) ? Number(value.toPrecision(Math.abs(value) >= 1_000 ? 6 : 4)) : 0;
}
