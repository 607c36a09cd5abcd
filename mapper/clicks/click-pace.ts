import { restAfter } from '../../runtime/pace.ts';

export interface ClickPiece {
  /** How long the last piece took, in ms. */
  readonly tookMs: number;
  /** How full the ring is, from 0 to 1. */
  readonly fill: number;
  /** The share of time in which the event loop had work since the piece before, from 0 to 1. */
  readonly busy: number;
}

/** From here on a request waits for the event loop, so that each piece of ours delays one. */
const BUSY = 0.95;
/** How much longer the rest is then: the headers of clicks get 4 % of the time. */
const BUSY_FACTOR = 6;

/**
 * How long to rest after a piece of clicks was looked at, in ms. Like other background work it takes a fifth
 * of the time at most, and more the fuller the ring is: nothing is lost while there is time. Where the
 * process has no time left, redirects go first, and clicks lose their dimensions.
 */
export function restAfterClicks({ tookMs, fill, busy }: ClickPiece): number {
  const rest = restAfter(tookMs);
  return busy >= BUSY ? rest * BUSY_FACTOR : rest * Math.max(0, 1 - fill / MOST_FILLED);
}

/** So full that there are no rests. */
const MOST_FILLED = 0.5;
