/**
 * Ranks 0 … count − 1, with probabilities proportional to 1 ÷ (rank + 1)^alpha. One seed, one sequence.
 *
 * It has its own generator (xorshift32, Marsaglia 2003). The numbers of runtime/random.ts have only 32 bits,
 * and another sequence would change the recorded figures.
 */
export class Zipf {
  readonly #sums: Float64Array;
  /** Where the search begins for the i-th of `count` equal parts of the sum. It then takes a step or two. */
  readonly #starts: Int32Array;
  #state: number;

  constructor(count: number, alpha: number, seed: number) {
    this.#sums = new Float64Array(count);
    this.#state = seed | 1;
    let sum = 0;
    for (let rank = 0; rank < count; rank += 1) {
      sum += (rank + 1) ** -alpha;
      this.#sums[rank] = sum;
    }
    this.#starts = new Int32Array(count);
    for (let part = 0, rank = 0; part < count; part += 1) {
      while ((this.#sums[rank] as number) < (part / count) * sum) rank += 1;
      this.#starts[part] = rank;
    }
  }

  /** The share of all draws that falls on the `count` most popular ranks. */
  shareOf(count: number): number {
    return (this.#sums[count - 1] as number) / (this.#sums.at(-1) as number);
  }

  next(): number {
    const drawn = this.#uniform();
    const wanted = drawn * (this.#sums.at(-1) as number);
    let rank = this.#starts[Math.floor(drawn * this.#starts.length)] as number;
    while ((this.#sums[rank] as number) < wanted) rank += 1;
    return rank;
  }

  /** In [0, 1): 53 bits out of two steps of xorshift32. */
  #uniform(): number {
    return ((this.#step() >>> 5) * 2 ** 26 + (this.#step() >>> 6)) * 2 ** -53;
  }

  #step(): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state;
    return state;
  }
}
