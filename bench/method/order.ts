/**
 * The order of one round: forward, backward, forward, … Two arms come as A B B A A B B A, so that a machine
 * which becomes slower or faster during the run favours neither. Pure.
 *
 * @param round counted from 0
 */
export function orderOf<T>(arms: readonly T[], round: number): T[] {
  return round % 2 === 0 ? [...arms] : arms.toReversed();
}

/** One measured window of one arm. */
export interface Window<Sample> {
  readonly arm: string;
  readonly round: number;
  readonly sample: Sample;
}

/**
 * The couples of consecutive windows of the same arm (the B B and A A of A B B A A B B A). They show how much
 * one thing measured twice differs during the comparison. Every second couple is reversed, as every second
 * pair is. Pure.
 */
export function couplesOf<Sample>(sequence: readonly Window<Sample>[]): [Sample, Sample][] {
  const couples: [Sample, Sample][] = [];
  for (let i = 1; i < sequence.length; i++) {
    const [first, second] = [sequence[i - 1], sequence[i]];
    if (first === undefined || second === undefined) continue;
    if (first.arm !== second.arm || first.round === second.round) continue;
    couples.push(couples.length % 2 === 0 ? [first.sample, second.sample] : [second.sample, first.sample]);
  }
  return couples;
}

/** The samples of two arms, round by round. Pure. @throws RangeError when an arm lacks a round */
export function pairsOf<Sample>(
  sequence: readonly Window<Sample>[],
  a: string,
  b: string,
): [Sample, Sample][] {
  const rounds = new Set(sequence.map(({ round }) => round));
  return [...rounds].map((round) => {
    const of = (arm: string): Sample => {
      const found = sequence.find((window) => window.round === round && window.arm === arm);
      if (found === undefined) throw new RangeError(`round ${round} has no ${arm}`);
      return found.sample;
    };
    return [of(a), of(b)];
  });
}
