/** A scale that begins at 0. */
export interface Scale {
  /** The upper end: a round number, at least as large as every value. */
  readonly top: number;
  /** From the top down to 0, with equal distances. */
  readonly ticks: readonly number[];
}

/** Clicks are whole, so a line between two of them would mean nothing. */
const LEAST_STEP = 1;
const MOST_STEPS = 4;

/** A scale with round numbers for values up to `most`, with 2 to 5 ticks. Pure. */
export function scaleFor(most: number): Scale {
  const step = Math.max(LEAST_STEP, roundUp(most / MOST_STEPS));
  const steps = Math.max(1, Math.ceil(most / step));
  return { top: steps * step, ticks: Array.from({ length: steps + 1 }, (_, at) => (steps - at) * step) };
}

/** The next of 1, 2, 2.5, 5 and 10 times a power of ten; below 10 only whole ones. */
function roundUp(value: number): number {
  if (value <= 0) return LEAST_STEP;
  const power = 10 ** Math.floor(Math.log10(value));
  const factor = [1, 2, 2.5, 5, 10].find((one) => one * power >= value * (1 - 1e-9)) ?? 10;
  return Math.ceil(factor * power);
}
