import { median } from '../../runtime/statistics.ts';

/** How far from 1 the control of a quantity may be. */
export const TOLERANCE = {
  throughput: 0.05,
  cpu: 0.05,
  latency: 0.05,
  /** A quantile of the tail varies more. */
  tail: 0.25,
} as const;

export type Quantity = keyof typeof TOLERANCE;

/** The fewest rounds that are worth judging. With five, half of the controls fail on a quiet machine. */
export const LEAST_ROUNDS: Readonly<Record<Quantity, number>> = {
  throughput: 20,
  cpu: 20,
  latency: 20,
  tail: 10,
};

/** How often something is measured at most, when its control fails. */
export const MAX_ATTEMPTS = 3;

export interface Control {
  readonly quantity: Quantity;
  /** The median of first ÷ second over all couples, which compare an arm with itself. */
  readonly ratio: number;
  readonly holds: boolean;
}

/** The median of first ÷ second. Pure. NaN without couples. */
export function controlOf(couples: readonly (readonly [number, number])[]): number {
  return median(couples.map(([first, second]) => first / second));
}

/** Pure. Without couples the control does not hold. */
export function judgeControl(quantity: Quantity, couples: readonly (readonly [number, number])[]): Control {
  const ratio = controlOf(couples);
  // 0.05 is no binary number: 1.05 − 1 is a little more.
  return { quantity, ratio, holds: Math.abs(ratio - 1) <= TOLERANCE[quantity] + 1e-9 };
}
