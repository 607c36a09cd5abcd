import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { LinkCache } from '../../mapper/cache/link-cache.ts';

export interface MemoryPerLink {
  /**
   * Bytes, heap and external, for each link in the mapper's cache, which is full and has evicted as many
   * links as it holds.
   */
  readonly cache: number;
  /** The same for a Map of the same strings. */
  readonly map: number;
  /** Bytes for each link by the cache's own account. */
  readonly accounted: number;
  readonly links: number;
}

/** Fills a cache of `maxBytes` twice over, and a Map with the same links, and compares their memory. */
export function measureMemoryPerLink(maxBytes: number): MemoryPerLink {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const used = (): number => {
    collect();
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
  const before = used();
  const cache = new LinkCache({ maxBytes, ttlMs: 60_000, now: () => 0, seed: 1 });
  const stored = fill(cache);
  const links = cache.size;
  const cacheBytes = used() - before;
  const accounted = cache.bytes;
  const held: number[] = [];
  for (let number = 0; number < stored; number += 1) {
    if (cache.getStale(keyOf(number)) !== undefined) held.push(number);
  }
  cache.flush();
  const beforeMap = used();
  const map = new Map(held.map((number) => [keyOf(number), targetOf(number)]));
  const mapBytes = used() - beforeMap;
  if (map.size !== links || held.length !== links)
    throw new Error('the cache does not hold as many links as its size says');
  return { cache: cacheBytes / links, map: mapBytes / links, accounted: accounted / links, links };
}

/**
 * Stores links until the cache is full, then as many again. Each link is stored four times, so that the cache
 * admits it.
 * @returns the number of links stored
 */
function fill(cache: LinkCache): number {
  let number = 0;
  let full = Number.POSITIVE_INFINITY;
  for (let size = 0; number < full * 2; number += 1) {
    for (let ask = 0; ask < 4; ask += 1) {
      const fresh = cache.beginFill(keyOf(number));
      fresh.store({ longUrl: targetOf(number), expiresAtMs: undefined });
      fresh.end();
    }
    if (cache.size === size) full = Math.min(full, number);
    size = cache.size;
  }
  return number;
}

/** A flat string, as from the network. V8 keeps a concatenated string in parts, which take more memory. */
function keyOf(number: number): string {
  return Buffer.from(number.toString(36).padStart(8, '-')).toString('latin1');
}

function targetOf(number: number): string {
  return Buffer.from(`https://example.com/some/path?number=${number}`).toString('latin1');
}
