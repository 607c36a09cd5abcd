import { restAfter } from '../../runtime/pace.ts';

interface Load {
  /**
   * The share of time in which the event loop would have had work lately, had it looked at all clicks that
   * came: from 0, and above 1 where there is no time for all.
   */
  readonly busy: number;
  /** How many clicks came in a second lately. */
  readonly perSecond: number;
}

export interface ClickPiece extends Load {
  /** How long the last piece took, in ms. */
  readonly tookMs: number;
  /** How full the ring is, from 0 to 1. */
  readonly fill: number;
}

/**
 * From here on most requests wait for the event loop, so that each piece of ours delays one. A process whose
 * clients wait for their answers before they ask again is never busier than 0.9 to 0.95.
 */
const BUSY = 0.85;
/** So many clicks are looked at also then: they take 4 to 20 % of the time. */
const MOST_PER_SECOND = 20_000;
/** How much longer the rest is beyond that: the headers of clicks get 2 % of the time. */
const OVERLOAD_FACTOR = 12;
/** So full that there are no rests. */
const MOST_FILLED = 0.5;
/**
 * So many clicks wait where there is no time for all. More would be read no sooner, and V8 would copy all of
 * them with each collection of the young generation: that takes more time than to read them.
 */
const OVERLOAD_ROOM = 512;

/**
 * How long to rest after a piece of clicks was looked at, in ms. Like other background work it takes a fifth
 * of the time, and more the fuller the ring is: nothing is lost while there is time. Where the process has no
 * time left for all the clicks that come, redirects go first, and clicks lose their dimensions. Pure.
 */
export function restAfterClicks({ tookMs, fill, busy, perSecond }: ClickPiece): number {
  const rest = restAfter(tookMs);
  return isOverloaded({ busy, perSecond })
    ? rest * OVERLOAD_FACTOR
    : rest * Math.max(0, 1 - fill / MOST_FILLED);
}

export interface ClickRoom extends Load {
  /** How many clicks may wait at present. */
  readonly room: number;
  /** Whether the last click found no room. */
  readonly isFull: boolean;
}

/**
 * How many clicks may wait from now on. Of a short load all can be read afterwards. Where it has lasted until
 * there was no room, few may wait, until it is over. Pure.
 */
export function roomForClicks({ room, isFull, ...load }: ClickRoom): number {
  return isOverloaded(load) && (isFull || room === OVERLOAD_ROOM) ? OVERLOAD_ROOM : Infinity;
}

function isOverloaded({ busy, perSecond }: Load): boolean {
  return busy >= BUSY && perSecond > MOST_PER_SECOND;
}

/** What has happened up to a moment. */
export interface ClickProgress {
  /** Monotonic. */
  readonly atMs: number;
  /** How long the event loop had work, in ms. */
  readonly activeMs: number;
  /** Clicks that have come. */
  readonly offered: number;
  /** Clicks whose headers were looked at, and how much of `activeMs` that took. */
  readonly read: number;
  readonly readMs: number;
}

/**
 * How busy the process would have been between two moments, and how many clicks came. How long it looks at
 * clicks depends on the answer, so only its other work counts as it was. Otherwise an overload would be over
 * as soon as clicks get less time, and begin again as soon as they get it back. Pure.
 */
export function loadBetween(from: ClickProgress, to: ClickProgress): Load {
  // At the same moment nothing has happened.
  const elapsedMs = Math.max(to.atMs - from.atMs, 1);
  const offered = to.offered - from.offered;
  const readMs = to.readMs - from.readMs;
  const forAllMs = readMs * (offered / Math.max(to.read - from.read, 1));
  return {
    busy: (to.activeMs - from.activeMs - readMs + forAllMs) / elapsedMs,
    perSecond: (offered / elapsedMs) * 1_000,
  };
}
