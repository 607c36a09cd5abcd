import { LinkCache } from '../../mapper/cache/link-cache.ts';
import { Zipf } from '../load/zipf.ts';

export interface HitRateOptions {
  /** Skew of the requests: Zipf's exponent. */
  readonly alpha: number;
  readonly links: number;
  /** How many of them fit into the cache. */
  readonly cached: number;
  /** Requests before counting begins. */
  readonly warmUp: number;
  readonly requests: number;
  /** Requests of which one hit rate is told. */
  readonly segment: number;
  /** After the warm-up the least popular links become the most popular ones. */
  readonly shift?: boolean;
  readonly seed: number;
}

export interface HitRate {
  /** Hits ÷ requests, for each segment. */
  readonly segments: readonly number[];
  /** What a cache of this size would reach that holds the most popular links and never changes. */
  readonly best: number;
  readonly cachedLinks: number;
}

/** Requests to the mapper's own cache, filled after every miss as the mapper fills it. Takes a microsecond per request; touches no store. */
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
  if (cache.findTarget(key, Date.now) !== undefined) return true;
  const fill = cache.beginFill(key);
  fill.store({ originalUrl: TARGET, expiresAtMs: undefined });
  fill.end();
  return false;
}

const TARGET = 'https://example.com/some/path/of/ordinary/length';

function keyOf(rank: number): string {
  return rank.toString(36).padStart(8, '-');
}

/** A cache that holds `links` links when full: how many bytes that takes is found by filling one. */
function createCacheFor(links: number, seed: number): LinkCache {
  const create = (maxBytes: number): LinkCache =>
    new LinkCache({ maxBytes, ttlMs: Number.POSITIVE_INFINITY, now: () => 0, seed });
  const trialBytes = links * 200;
  const trial = create(trialBytes);
  for (let rank = 0; rank < links * 4; rank += 1) ask(trial, keyOf(rank));
  return create((trialBytes * links) / trial.size);
}
