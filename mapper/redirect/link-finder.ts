import type { LinkTarget } from '../../db/urls/link-targets.ts';
import { StoreUnavailableError } from '../../db/store-errors.ts';
import type { CacheEntry, Fill, LinkCache } from '../cache/link-cache.ts';
import type { Read } from '../urls/link-reads.ts';
import type { SharedAnswer, SharedCache } from '../cache/shared-cache.ts';
import type { UrlsServers } from '../urls/urls-servers.ts';

export type LinkSource = 'memory' | 'cache' | 'db';

export interface FoundLink {
  readonly entry: CacheEntry;
  readonly source: LinkSource;
}

/** Told, exactly once, what became of a look-up. Must not throw: others wait behind it. */
export interface LookUpObserver {
  found(entry: CacheEntry, source: LinkSource): void;
  /** @param error StoreUnavailableError when only a server that is down could tell; anything else is a fault of ours */
  failed(error: Error): void;
}

export interface LinkFinderOptions {
  readonly cache: LinkCache;
  readonly servers: UrlsServers;
  readonly shared?: SharedCache | undefined;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/**
 * Links by key: memory first, then the shared cache if there is one, then its urls server (one of its replicas if there are any, then the
 * primary), with one read per key under way however many ask.
 *
 * A read that an invalidation has overtaken is not joined by later requests: they must see what changed.
 * A look-up is one object that the queues hand on, not a chain of promises: all that it passes stands between a client and its answer.
 */
export class LinkFinder {
  readonly #options: LinkFinderOptions;
  readonly #flights = new Map<string, Flight>();

  constructor(options: LinkFinderOptions) {
    this.#options = options;
  }

  /** @throws StoreUnavailableError when only a server that is down could tell */
  async find(key: string): Promise<FoundLink> {
    const entry = this.#options.cache.get(key);
    if (entry !== undefined) return { entry, source: 'memory' };
    return new Promise((resolve, reject) => {
      this.read(key, { found: (found, source) => resolve({ entry: found, source }), failed: reject });
    });
  }

  /** For who has looked in memory already. */
  read(key: string, observer: LookUpObserver): void {
    const running = this.#flights.get(key);
    if (running !== undefined && !running.fill.isStale) {
      running.join(observer);
      return;
    }
    const { cache, shared, servers, now } = this.#options;
    const flight = new Flight(key, now(), cache.beginFill(key), observer, this.#land);
    this.#flights.set(key, flight);
    if (shared !== undefined) void this.#askShared(shared, flight);
    else if (flight.fill.needsPrimary) servers.for(key).readPrimary(flight);
    else servers.for(key).read(flight);
  }

  async #askShared(shared: SharedCache, flight: Flight): Promise<void> {
    const { key, fill } = flight;
    const server = this.#options.servers.for(key);
    if (fill.needsPrimary) {
      // Whoever changed it may not have reached the shard.
      void shared.forget(key);
      server.readPrimary(flight);
      return;
    }
    const answer = await shared.find(key);
    if (answer?.link !== undefined) flight.foundBefore(answer.link, answer.ageMs);
    else server.read(flight.notInShared(answer, this.#options.now()));
  }

  /** Told first, stored then: the client need not wait for that. */
  readonly #land = (flight: Flight, landing: Landing): void => {
    const { cache } = this.#options;
    const { key, fill } = flight;
    try {
      if ('error' in landing) {
        // A link past its time but never invalidated beats no redirect while its server is down.
        const stale = landing.error instanceof StoreUnavailableError ? cache.getStale(key) : undefined;
        if (stale === undefined) flight.tellFailed(landing.error);
        else flight.tellFound(stale, 'memory');
      } else {
        flight.tellFound(landing.entry, landing.source);
        fill.store(landing.entry, landing.ageMs);
      }
    } finally {
      // Whatever an observer does: later requests would join a flight that has landed.
      fill.end();
      if (this.#flights.get(key) === flight) this.#flights.delete(key);
    }
  };
}

type Landing =
  | { readonly entry: CacheEntry; readonly source: LinkSource; readonly ageMs: number }
  | { readonly error: Error };

/** A read under way, and who waits for it. */
class Flight implements Read {
  readonly key: string;
  askedAtMs: number;
  readonly fill: Fill;
  readonly #land: (flight: Flight, landing: Landing) => void;
  readonly #first: LookUpObserver;
  #others: LookUpObserver[] | undefined;
  #shared: SharedAnswer | undefined;

  constructor(
    key: string,
    askedAtMs: number,
    fill: Fill,
    first: LookUpObserver,
    land: (flight: Flight, landing: Landing) => void,
  ) {
    this.key = key;
    this.askedAtMs = askedAtMs;
    this.fill = fill;
    this.#first = first;
    this.#land = land;
  }

  join(observer: LookUpObserver): void {
    (this.#others ??= []).push(observer);
  }

  /** The server is asked only now, and what it says is to be stored there too. */
  notInShared(shared: SharedAnswer | undefined, nowMs: number): this {
    this.#shared = shared;
    this.askedAtMs = nowMs;
    return this;
  }

  /** The shared cache knew it. */
  foundBefore(entry: CacheEntry, ageMs: number): void {
    this.#land(this, { entry, source: 'cache', ageMs });
  }

  found(link: LinkTarget | undefined): void {
    const entry = link === undefined ? 'unknown' : toEntry(link);
    if (entry !== 'unknown' && !this.fill.isStale) this.#shared?.store(entry);
    this.#land(this, { entry, source: 'db', ageMs: 0 });
  }

  failed(error: Error): void {
    this.#land(this, { error });
  }

  tellFound(entry: CacheEntry, source: LinkSource): void {
    this.#first.found(entry, source);
    if (this.#others !== undefined) for (const other of this.#others) other.found(entry, source);
  }

  tellFailed(error: Error): void {
    this.#first.failed(error);
    if (this.#others !== undefined) for (const other of this.#others) other.failed(error);
  }
}

function toEntry({ originalUrl, expiresAt }: LinkTarget): Exclude<CacheEntry, 'unknown'> {
  return { originalUrl: originalUrl ?? undefined, expiresAtMs: expiresAt?.getTime() };
}
