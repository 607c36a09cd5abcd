import { intervalOf, meanOf } from './interval.ts';

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
  /** 95 % confidence of the value, from the spread between the stretches of the run. */
  readonly interval: readonly [number, number];
  /** The baseline at the end ÷ at the beginning of the run (its value is the mean of both): far from 1, the machine was busy with something else. */
  readonly control: number;
  readonly better: 'higher' | 'lower';
  /** null: no goal was set. */
  readonly goal: number | null;
  readonly passed: boolean;
  /** What else was measured or proved. */
  readonly [detail: string]: unknown;
}

/** What every bench is given. */
export interface BenchContext {
  /** Says on stderr what goes on. */
  readonly say: (text: string) => void;
  /** Reports that so much of `total` is done. */
  readonly progress: (
    what: string,
    total: number,
    unit: string,
  ) => { update(done: number): void; stop(): void };
  /** One cluster for all benches of this run, started when first asked for. */
  readonly privateCluster: () => Promise<{ readonly mapperUrl: string }>;
  /** Aborted by Ctrl-C: stop the private servers and leave. */
  readonly signal: AbortSignal;
}

export interface Bench {
  readonly name: string;
  readonly does: string;
  /** Takes minutes, so it only runs when asked for. */
  readonly long: boolean;
  run(context: BenchContext): Promise<BenchRow>;
}

export interface Measured {
  readonly name: string;
  readonly unit: string;
  /** One figure for each stretch of the run, equally long in work. */
  readonly samples: readonly number[];
  /** Over the whole run; without it, the mean of the samples. */
  readonly value?: number;
  readonly baseline: string;
  readonly baselineValue: number;
  readonly control: number;
  readonly better?: 'higher' | 'lower';
  readonly goal?: number;
  /** Further conditions, such as a proof. */
  readonly holds?: boolean;
  readonly details?: Readonly<Record<string, unknown>>;
}

/** Rounds and judges. Pure. */
export function toRow(measured: Measured): BenchRow {
  const { name, unit, samples, baseline, baselineValue, control } = measured;
  const { better = 'higher', goal, holds = true, details = {} } = measured;
  const value = measured.value ?? meanOf(samples);
  const reached = goal === undefined || (better === 'higher' ? value >= goal : value <= goal);
  const [low, high] = intervalOf(samples);
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
    passed: reached && holds,
    ...details,
  };
}

/** Four digits say all there is to say. */
function round(value: number): number {
  return Number.isFinite(value) ? Number(value.toPrecision(value >= 1_000 ? 6 : 4)) : 0;
}
