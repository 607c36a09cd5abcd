import { createRandom } from '../../runtime/random.ts';
import { Zipf } from './zipf.ts';

export interface KeySequenceOptions {
  readonly links: number;
  /** Requests for the n-th most popular link are proportional to n^−alpha. */
  readonly alpha: number;
  /** Share of requests for unknown keys. There are `links` unknown keys, all equally popular. */
  readonly unknownShare: number;
  readonly count: number;
  readonly seed: number;
}

/** The link of each of `count` requests: an index from 0, or −1 − n for the n-th unknown key. Pure. */
export function keySequence({ links, alpha, unknownShare, count, seed }: KeySequenceOptions): Int32Array {
  const popular = new Zipf(links, alpha, seed);
  const random = createRandom(seed);
  return Int32Array.from({ length: count }, () =>
    random() < unknownShare ? -1 - Math.floor(random() * links) : popular.next(),
  );
}
