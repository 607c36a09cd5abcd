import { MAX_ATTEMPTS } from '../method/control.ts';

/** A figure of B ÷ that of A, turned so that more than 1 means that B is better. */
export interface Comparison {
  readonly ratio: number;
  /** 95 % bootstrap interval. */
  readonly interval: readonly [number, number];
  /** Each side against itself in the same minutes. */
  readonly control: number;
}

export type Verdict = 'not slower' | 'slower' | 'control failed';

/** The median ratio at which a commit still counts as not slower. */
export const LEAST_RATIO = 0.97;
/** How far from 1 the control may lie: no farther than the ratio itself. */
export const CONTROL_TOLERANCE = 0.03;
/** 0.03 is no binary number: 1.03 − 1 is a little more. */
const ROUNDING = 1e-9;

/** Pure. The verdict on the one comparison that decides a run. A control that is not a number fails. */
export function judgeRun({ ratio, interval: [low, high], control }: Comparison): Verdict {
  if (!(Math.abs(control - 1) <= CONTROL_TOLERANCE + ROUNDING)) return 'control failed';
  const isEven = low <= 1 && high >= 1;
  return isEven || ratio >= LEAST_RATIO - ROUNDING ? 'not slower' : 'slower';
}

/**
 * Pure. The verdict on a row after its runs so far: one good run is enough, and a failed control says nothing
 * about the commit, so it weighs less than a run that found it slower.
 */
export function judgeRuns(verdicts: readonly Verdict[]): Verdict {
  return (
    (['not slower', 'slower'] as const).find((verdict) => verdicts.includes(verdict)) ?? 'control failed'
  );
}

/** Pure. Whether a row is measured again, with processes of its own. */
export function needsAnotherRun(verdicts: readonly Verdict[]): boolean {
  return judgeRuns(verdicts) !== 'not slower' && verdicts.length < MAX_ATTEMPTS;
}
