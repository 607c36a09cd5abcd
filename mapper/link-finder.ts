import type { LinkTarget } from '../db/links.ts';
import { StoreUnavailableError } from '../db/store-errors.ts';
import type { CacheEntry, Fill, LinkCache } from './link-cache.ts';
import type { SharedCache } from './shared-cache.ts';
import type { UrlsServers } from './urls-servers.ts';

export interface FoundLink {
  readonly entry: CacheEntry;
  readonly source: 'memory' | 'cache' | 'db';
}

interface Flight {
  readonly fill: Fill;
  readonly answer: Promise<FoundLink>;
}

/**
 * Links by key: memory first, then the shared cache if there is one, then its urls server (one of its replicas if there are any, then the
 * primary), with one read per key under way however many ask.
 *
 * A read that an invalidation has overtaken is not joined by later requests: they must see what changed.
 */
export class LinkFinder {
  readonly #cache: LinkCache;
  readonly #servers: UrlsServers;
  readonly #shared: SharedCache | undefined;
  readonly #flights = new Map<string, Flight>();

  constructor(cache: LinkCache, servers: UrlsServers, shared?: SharedCache) {
    this.#cache = cache;
    this.#servers = servers;
    this.#shared = shared;
  }

  /** @throws StoreUnavailableError when only a server that is down could tell */
  async find(key: string): Promise<FoundLink> {
    const entry = this.#cache.get(key);
    if (entry !== undefined) return { entry, source: 'memory' };
    const running = this.#flights.get(key);
    if (running !== undefined && !running.fill.isStale) return running.answer;
    const fill = this.#cache.beginFill(key);
    const flight = { fill, answer: this.#read(key, fill) };
    this.#flights.set(key, flight);
    try {
      return await flight.answer;
    } finally {
      fill.end();
      if (this.#flights.get(key) === flight) this.#flights.delete(key);
    }
  }

  async #read(key: string, fill: Fill): Promise<FoundLink> {
    if (this.#shared !== undefined && fill.needsPrimary) {
      // Whoever changed it may not have reached the shard.
      void this.#shared.forget(key);
    }
    const shared = fill.needsPrimary ? undefined : await this.#shared?.find(key);
    if (shared?.link !== undefined) {
      fill.store(shared.link, shared.ageMs);
      return { entry: shared.link, source: 'cache' };
    }
    try {
      const server = this.#servers.for(key);
      const stored = fill.needsPrimary ? await server.findOnPrimary(key) : await server.find(key);
      const entry = stored === undefined ? 'unknown' : toEntry(stored);
      fill.store(entry);
      if (entry !== 'unknown' && !fill.isStale) shared?.store(entry);
      return { entry, source: 'db' };
    } catch (error) {
      // A link past its time but never invalidated beats no redirect while its server is down.
      const stale = error instanceof StoreUnavailableError ? this.#cache.getStale(key) : undefined;
      if (stale === undefined) throw error;
      return { entry: stale, source: 'memory' };
    }
  }
}

function toEntry({ originalUrl, expiresAt }: LinkTarget): CacheEntry {
  return { originalUrl: originalUrl ?? undefined, expiresAtMs: expiresAt?.getTime() };
}
