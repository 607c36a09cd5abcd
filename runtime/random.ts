/**
 * A generator of numbers in [0, 1). The same seed gives the same sequence in every run, so that a test or a
 * drill can be repeated. Not for secrets.
 *
 * The algorithm is mulberry32 (Tommy Ettinger, public domain).
 *
 * @param seed the lower 32 bits count
 */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
