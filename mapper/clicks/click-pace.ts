import { restAfter } from '../../runtime/pace.ts';

export interface ClickPiece {
  /** How long the last piece took, in ms. */
  readonly tookMs: number;
  /** How full the ring is, from 0 to 1. */
  readonly fill: number;
  /** The share of time in which the event loop had work lately, from 0 to 1. */
  readonly busy: number;
  /** The share of time that it would take to look at all clicks that come, at the rate of lately. */
  readonly needed: number;
}

/** From here on a request waits for the event loop, so that each piece of ours delays one. */
const BUSY = 0.95;
/** As much time clicks may take also then. It is the share of all background work. */
const MOST_NEEDED = 0.2;
/** How much longer the rest is beyond that: the headers of clicks get 4 % of the time. */
const OVERLOAD_FACTOR = 6;
/** So full that there are no rests. */
const MOST_FILLED = 0.5;

/**
 * How long to rest after a piece of clicks was looked at, in ms. Like other background work it takes a fifth
 * of the time, and more the fuller the ring is: nothing is lost while there is time. Where the process has no
 * time left for all the clicks that come, redirects go first, and clicks lose their dimensions. Pure.
 */
export function restAfterClicks({ tookMs, fill, busy, needed }: ClickPiece): number {
  const rest = restAfter(tookMs);
  const isOverloaded = busy >= BUSY && needed > MOST_NEEDED;
  return isOverloaded ? rest * OVERLOAD_FACTOR : rest * Math.max(0, 1 - fill / MOST_FILLED);
}

/** What has happened up to a moment. */
export interface ClickProgress {
  /** Monotonic. */
  readonly atMs: number;
  /** How long the event loop had work, in ms. */
  readonly activeMs: number;
  /** Clicks that have come, clicks that were looked at, and how long that took. */
  readonly offered: number;
  readonly looked: number;
  readonly lookedMs: number;
}

/** How busy the process was between two moments, and what the clicks of that time need. Pure. */
export function loadBetween(from: ClickProgress, to: ClickProgress): Pick<ClickPiece, 'busy' | 'needed'> {
  const elapsedMs = Math.max(to.atMs - from.atMs, Number.MIN_VALUE);
  const clickMs = (to.lookedMs - from.lookedMs) / Math.max(1, to.looked - from.looked);
  return {
    busy: (to.activeMs - from.activeMs) / elapsedMs,
    needed: ((to.offered - from.offered) * clickMs) / elapsedMs,
  };
}
