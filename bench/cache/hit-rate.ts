import { LinkCache } from '../../mapper/cache/link-cache.ts';
import { Zipf } from '../load/zipf.ts';

export interface HitRateOptions {
  /** Skew of the requests: Zipf's exponent. */
  readonly alpha: number;
  readonly links: number;
  /** How many links fit into the cache. */
  readonly cached: number;
  /** Requests before counting begins. */
  readonly warmUp: number;
  readonly requests: number;
  /** Requests for each hit rate that is returned. */
  readonly segment: number;
  /** After the warm-up the order of popularity is reversed. */
  readonly shift?: boolean;
  readonly seed: number;
}

export interface HitRate {
  /** Hits ÷ requests, for each segment. */
  readonly segments: readonly number[];
  /** The hit rate of a cache of this size that holds the most popular links and never changes. */
  readonly best: number;
  readonly cachedLinks: number;
}

/**
 * Sends requests to the mapper's own cache and fills it after every miss, as the mapper does. Uses no store;
 * a request takes about a microsecond.
 */
export function simulateHitRate(options: HitRateOptions): HitRate {
  const { alpha, links, cached, warmUp, requests, segment, shift = false, seed } = options;
  const zipf = new Zipf(links, alpha, seed);
  const cache = createCacheFor(cached, seed);
  const keys = Array.from({ length: links }, (_, rank) => keyOf(rank));
  const run = (count: number, isShifted: boolean): number => {
    let hits = 0;
    for (let request = 0; request < count; request += 1) {
      const rank = zipf.next();
      if (ask(cache, keys[isShifted ? links - 1 - rank : rank] as string)) hits += 1;
    }
    return hits / count;
  };
  run(warmUp, false);
  const segments = Array.from({ length: Math.floor(requests / segment) }, () => run(segment, shift));
  return { segments, best: zipf.shareOf(cached), cachedLinks: cache.size };
}

function ask(cache: LinkCache, key: string): boolean {
  if (cache.findTarget(key, 0, Date.now) !== undefined) return true;
  const fill = cache.beginFill(key);
  fill.store({ longUrl: TARGET, expiresAtMs: undefined });
  fill.end();
  return false;
}

const TARGET = 'https://example.com/some/path/of/ordinary/length';

function keyOf(rank: number): string {
  return rank.toString(36).padStart(8, '-');
}

/** A cache that holds `links` links when it is full. Its size in bytes is found by filling a trial cache. */
function createCacheFor(links: number, seed: number): LinkCache {
  const create = (maxBytes: number): LinkCache =>
    new LinkCache({ maxBytes, ttlMs: Number.POSITIVE_INFINITY, now: () => 0, seed });
  const trialBytes = links * 200;
  const trial = create(trialBytes);
  for (let rank = 0; rank < links * 4; rank += 1) ask(trial, keyOf(rank));
  return create((trialBytes * links) / trial.size);
}
