import { median } from '../../runtime/statistics.ts';
import type { BenchRun } from './bench-run.ts';
import { judgeControl, LEAST_ROUNDS, MAX_ATTEMPTS, type Control, type Quantity } from './control.ts';
import { couplesOf, orderOf, pairsOf, type Window } from './order.ts';
import { bootstrapOf } from './statistics.ts';

/** One of the things that are compared. `run` measures it once. */
export interface Arm<Sample> {
  readonly name: string;
  readonly run: (seconds: number, round: number) => Promise<Sample>;
}

/** A figure of each sample. Its quantity says how far the control may be from 1. */
export interface Watched<Sample> {
  readonly quantity: Quantity;
  readonly of: (sample: Sample) => number;
}

export interface Plan<Sample> {
  readonly name: string;
  readonly arms: readonly Arm<Sample>[];
  /** The first one decides. All of them need a control that holds. */
  readonly watched: readonly [Watched<Sample>, ...Watched<Sample>[]];
  /** Waits until the work that the last window left behind is done. */
  readonly quiesce?: () => Promise<void>;
  readonly rounds?: number;
  readonly seconds?: number;
}

export interface Measurement<Sample> {
  readonly sequence: readonly Window<Sample>[];
  readonly controls: readonly Control[];
  /** For each attempt, the control of the first watched quantity. */
  readonly attempts: readonly number[];
  readonly controlHolds: boolean;
  readonly rounds: number;
  readonly seconds: number;
}

const WINDOW_SECONDS = 3;
export const QUICK = { rounds: 2, seconds: 1 };

/**
 * Measures all arms side by side: 20 rounds of 3 s unless the plan or the user says otherwise, forward and
 * backward in turn, after one window of each that does not count. When the control does not hold, it measures
 * again, up to three times in all.
 */
export async function measure<Sample>(context: BenchRun, plan: Plan<Sample>): Promise<Measurement<Sample>> {
  const [first] = plan.watched;
  const rounds = context.quick
    ? QUICK.rounds
    : (context.rounds ?? plan.rounds ?? LEAST_ROUNDS[first.quantity]);
  const seconds = context.quick ? QUICK.seconds : (context.seconds ?? plan.seconds ?? WINDOW_SECONDS);
  for (const arm of plan.arms) await arm.run(seconds, -1);
  const attempts: number[] = [];
  for (;;) {
    const sequence = await runRounds(context, plan, rounds, seconds);
    const couples = couplesOf(sequence);
    const controls = plan.watched.map(({ quantity, of }) =>
      judgeControl(
        quantity,
        couples.map(([a, b]) => [of(a), of(b)] as const),
      ),
    );
    attempts.push(controls[0]?.ratio ?? Number.NaN);
    const controlHolds = controls.every(({ holds }) => holds);
    if (controlHolds || context.quick || attempts.length === MAX_ATTEMPTS) {
      return { sequence, controls, attempts, controlHolds, rounds, seconds };
    }
    const failed = controls.filter(({ holds }) => !holds).map((c) => `${c.quantity} ${c.ratio.toFixed(3)}`);
    context.say(`${plan.name}: the control failed (${failed.join(', ')}); measuring again`);
  }
}

/** Measures all arms round by round, without any judgement. */
export async function runRounds<Sample>(
  context: BenchRun,
  plan: Pick<Plan<Sample>, 'name' | 'arms' | 'quiesce'>,
  rounds: number,
  seconds: number,
): Promise<Window<Sample>[]> {
  const sequence: Window<Sample>[] = [];
  const progress = context.progress(plan.name, rounds, 'rounds');
  for (let round = 0; round < rounds; round++) {
    for (const arm of orderOf(plan.arms, round)) {
      context.signal.throwIfAborted();
      await plan.quiesce?.();
      sequence.push({ arm: arm.name, round, sample: await arm.run(seconds, round) });
    }
    progress.update(round + 1);
  }
  progress.stop();
  return sequence;
}

/** A figure of one arm ÷ that of another, round by round. */
export interface Ratio {
  readonly ratio: number;
  readonly interval: readonly [number, number];
}

/** Median and 95 % bootstrap interval of the rounds' ratios. Pure. */
export function ratioOf<Sample>(
  sequence: readonly Window<Sample>[],
  a: string,
  b: string,
  of: (sample: Sample) => number,
): Ratio {
  const ratios = pairsOf(sequence, a, b).map(([x, y]) => of(x) / of(y));
  return { ratio: median(ratios), interval: bootstrapOf(ratios) };
}

/** The median of one arm's figure. Pure. */
export function typicalOf<Sample>(
  sequence: readonly Window<Sample>[],
  arm: string,
  of: (sample: Sample) => number,
): number {
  return median(sequence.filter((window) => window.arm === arm).map(({ sample }) => of(sample)));
}
