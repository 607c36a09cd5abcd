import { createRandom } from '../method/statistics.ts';
import { Zipf } from './zipf.ts';

export interface KeySequenceOptions {
  readonly links: number;
  /** The n-th most popular link is asked for in proportion to n^−alpha. */
  readonly alpha: number;
  /** Share of requests for keys that nobody stored, each of `links` such keys equally often. */
  readonly unknownShare: number;
  readonly count: number;
  readonly seed: number;
}

/** Which link each of `count` requests is for: an index from 0, or −1 − n for the n-th unknown key. Pure. */
export function keySequence({ links, alpha, unknownShare, count, seed }: KeySequenceOptions): Int32Array {
  const popular = new Zipf(links, alpha, seed);
  const random = createRandom(seed);
  return Int32Array.from({ length: count }, () =>
    random() < unknownShare ? -1 - Math.floor(random() * links) : popular.next(),
  );
}
