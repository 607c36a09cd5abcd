import { ratioOf, typicalOf, type Measurement, type Ratio } from './measure.ts';
import { isReached, round, type BenchRow, type FurtherComparison } from './row.ts';

/** A comparison beside the one that names the row. */
export interface Further<Sample> {
  /** Follows the name of the row, such as `beside nginx`. */
  readonly label: string;
  /** Default: the measurement of the row. */
  readonly measurement?: Measurement<Sample>;
  readonly ours: string;
  readonly beside: string;
  readonly baseline: string;
  /** Default: none; it is only shown. */
  readonly goal?: number;
}

/** A comparison of two arms, round by round. */
export interface Paired<Sample> {
  readonly name: string;
  readonly unit: string;
  readonly measurement: Measurement<Sample>;
  /** The name of our arm, and of the arm it is compared with. */
  readonly ours: string;
  readonly beside: string;
  /** The figure compared. */
  readonly of: (sample: Sample) => number;
  readonly baseline: string;
  readonly better?: 'higher' | 'lower';
  readonly goal?: number;
  readonly further?: readonly Further<Sample>[];
  /** Replaces the median of the rounds' ratios in rows with more than one comparison. */
  readonly ratio?: Ratio;
  /** Why the row cannot pass, whatever its ratio. */
  readonly fault?: string | undefined;
  readonly details?: Readonly<Record<string, unknown>>;
}

/** Judges the ratios. A row whose control failed has not passed. */
export function toPairedRow<Sample>(paired: Paired<Sample>): BenchRow {
  const { measurement, of, better = 'higher', goal } = paired;
  const { sequence, controls, attempts } = measurement;
  const { ratio, interval } = paired.ratio ?? ratioOf(sequence, paired.ours, paired.beside, of);
  const isFirstReached = isReached(ratio, goal, better);
  const further = (paired.further ?? []).map((one) => compareFurther(paired, one));
  const missed = isFirstReached ? further.find((one) => !one.isReached) : undefined;
  const fault =
    paired.fault ?? controlFault(measurement) ?? (missed && `its goal ${missed.label} was missed`);
  return {
    name: paired.name,
    value: round(typicalOf(sequence, paired.ours, of)),
    unit: paired.unit,
    baseline: paired.baseline,
    baselineValue: round(typicalOf(sequence, paired.beside, of)),
    ratio: round(ratio),
    interval: [round(interval[0]), round(interval[1])],
    control: round(controls[0]?.ratio ?? Number.NaN),
    better,
    goal: goal ?? null,
    passed: fault === undefined && isFirstReached,
    judged: 'ratio',
    ...(further.length > 0 && { further }),
    details: {
      ...paired.details,
      rounds: measurement.rounds,
      seconds: measurement.seconds,
      controls: controls.map((control) => `${control.quantity} ${control.ratio.toFixed(3)}`),
      attempts: attempts.map(round),
      ...(fault === undefined ? {} : { reason: fault }),
    },
  };
}

function compareFurther<Sample>(
  { measurement: ofRow, of, better = 'higher' }: Paired<Sample>,
  { label, measurement = ofRow, ours, beside, baseline, goal }: Further<Sample>,
): FurtherComparison {
  const { sequence } = measurement;
  const { ratio, interval } = ratioOf(sequence, ours, beside, of);
  return {
    label,
    value: round(typicalOf(sequence, ours, of)),
    baseline,
    baselineValue: round(typicalOf(sequence, beside, of)),
    ratio: round(ratio),
    interval: [round(interval[0]), round(interval[1])],
    goal: goal ?? null,
    isReached: isReached(ratio, goal, better),
  };
}

/** Why a measurement is not valid; undefined when it is. */
export function controlFault({ controlHolds, controls, attempts }: Measurement<unknown>): string | undefined {
  if (controlHolds) return undefined;
  const failed = controls.filter(({ holds }) => !holds);
  const which = failed.map(({ quantity, ratio }) => `${quantity} ${ratio.toFixed(3)}`).join(', ');
  return `the control did not hold, ${attempts.length} time(s): ${which}`;
}
