import { StoreUnavailableError } from '../../db/store-errors.ts';
import { isEveryRuleKnown, UnknownRulesError, urlsOf } from '../../db/urls/link-rules.ts';
import type { LinkTarget } from '../../db/urls/link.ts';
import type { CacheEntry, Fill, LinkCache } from '../cache/link-cache.ts';
import type { SharedAnswer, SharedCache } from '../cache/shared-cache.ts';
import type { Read } from '../urls/link-reads.ts';
import type { UrlsServers } from '../urls/urls-servers.ts';

export type LinkSource = 'memory' | 'cache' | 'db';

export interface FoundLink {
  readonly entry: CacheEntry;
  readonly source: LinkSource;
}

/** Receives the result of a look-up, exactly once. Must not throw: other observers wait behind it. */
export interface LookUpObserver {
  found(entry: CacheEntry, source: LinkSource): void;
  /**
   * @param error StoreUnavailableError when the only server that could answer is down; any other is our fault
   */
  failed(error: Error): void;
}

export interface LinkFinderOptions {
  readonly cache: LinkCache;
  readonly servers: UrlsServers;
  readonly shared?: SharedCache | undefined;
  /** Whether the domain of a target is blocked. Asked when a link is read, not when it is followed. */
  readonly isBlocked?: ((target: string) => boolean) | undefined;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/**
 * Finds links by key: in memory, then in the shared cache (if configured), then on the urls server of the
 * key: a replica first (if configured), then the primary. Any number of requests for one key share one read.
 *
 * A request that comes after an invalidation does not join a read that began before it: it must see the
 * change. And a request that joined a read which found nothing is answered by that read only if the absence
 * may be remembered. Otherwise its link may have been made after the read began, and it gets a read of its
 * own. A look-up is one object that the queues pass on, not a chain of promises, because every step delays
 * a client's answer.
 */
export class LinkFinder {
  readonly #options: LinkFinderOptions;
  readonly #flights = new Map<string, Flight>();

  constructor(options: LinkFinderOptions) {
    this.#options = options;
  }

  /** @throws StoreUnavailableError when the only server that could answer is down */
  async find(key: string): Promise<FoundLink> {
    const entry = this.#options.cache.get(key);
    if (entry !== undefined) return { entry, source: 'memory' };
    return new Promise((resolve, reject) => {
      this.read(key, { found: (found, source) => resolve({ entry: found, source }), failed: reject });
    });
  }

  /** For callers that have already looked in memory. */
  read(key: string, observer: LookUpObserver): void {
    const running = this.#flights.get(key);
    if (running !== undefined && !running.fill.isStale) {
      running.join(observer);
      return;
    }
    this.#begin(key, observer);
  }

  /** @param others asked for the same key before now */
  #begin(key: string, observer: LookUpObserver, others?: readonly LookUpObserver[]): void {
    const { cache, shared, servers, now } = this.#options;
    const flight = new Flight(key, now(), cache.beginFill(key), observer, this.#land);
    if (others !== undefined) flight.cover(others);
    this.#flights.set(key, flight);
    if (shared !== undefined) void this.#askShared(shared, flight);
    else if (flight.fill.needsPrimary) servers.for(key).readPrimary(flight);
    else servers.for(key).read(flight);
  }

  async #askShared(shared: SharedCache, flight: Flight): Promise<void> {
    const { key, fill } = flight;
    const server = this.#options.servers.for(key);
    if (fill.needsPrimary) {
      // The mapper that changed the link may not have reached the shard.
      void shared.forget(key);
      server.readPrimary(flight);
      return;
    }
    const answer = await shared.find(key);
    if (answer?.link !== undefined) flight.foundInShared(answer.link, answer.ageMs);
    else server.read(flight.notInShared(answer, this.#options.now()));
  }

  #judge(entry: CacheEntry): CacheEntry {
    const { isBlocked } = this.#options;
    if (isBlocked === undefined || entry === 'unknown' || entry.longUrl === undefined) return entry;
    const { longUrl, rules } = entry;
    const isOneBlocked = isBlocked(longUrl) || (rules !== undefined && urlsOf(rules).some(isBlocked));
    // As if an administrator had blocked the link itself.
    return isOneBlocked ? { ...entry, rules: { ...rules, blocked: 'its domain' } } : entry;
  }

  /** Reports the result before it stores it, so that the client does not wait for that. */
  readonly #land = (flight: Flight, landing: Landing): void => {
    const { cache } = this.#options;
    const { key, fill } = flight;
    let late: LookUpObserver[] = [];
    try {
      if ('error' in landing) {
        // While the server is down, a link past its time to live is better than no redirect. It was never
        // invalidated.
        if (landing.error instanceof UnknownRulesError) cache.invalidate(key);
        const stale = landing.error instanceof StoreUnavailableError ? cache.getStale(key) : undefined;
        if (stale === undefined) flight.notifyFailed(landing.error);
        else flight.notifyFound(stale, 'memory');
      } else {
        // Asked only where somebody has joined: to know whether a key may be issued takes microseconds.
        if (landing.entry === 'unknown' && flight.isJoined && !fill.remembersAbsence)
          late = flight.takeLate();
        const entry = this.#judge(landing.entry);
        flight.notifyFound(entry, landing.source);
        fill.store(entry, landing.ageMs);
      }
    } finally {
      // Even when an observer throws: otherwise later requests would join a flight that has landed.
      fill.end();
      if (this.#flights.get(key) === flight) this.#flights.delete(key);
      const [next, ...others] = late;
      if (next !== undefined) this.#begin(key, next, others);
    }
  };
}

type Landing =
  | { readonly entry: CacheEntry; readonly source: LinkSource; readonly ageMs: number }
  | { readonly error: Error };

/** A read in flight, and the observers that wait for it. */
class Flight implements Read {
  readonly key: string;
  askedAtMs: number;
  readonly fill: Fill;
  readonly #land: (flight: Flight, landing: Landing) => void;
  readonly #first: LookUpObserver;
  #others: LookUpObserver[] | undefined;
  /** How many of the others asked before the read began. */
  #covered = 0;
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

  /** Adds observers that asked before the read begins. Call it before that. */
  cover(others: readonly LookUpObserver[]): void {
    this.#others = [...others];
    this.#covered = others.length;
  }

  /** Whether anybody asked after the read had begun. */
  get isJoined(): boolean {
    return this.#others !== undefined && this.#others.length > this.#covered;
  }

  /** Removes and returns the observers that asked after the read had begun. */
  takeLate(): LookUpObserver[] {
    return this.#others?.splice(this.#covered) ?? [];
  }

  /**
   * The shared cache does not have the link: the read from the server begins now. Its result is stored in the
   * shared cache too.
   */
  notInShared(shared: SharedAnswer | undefined, nowMs: number): this {
    this.#shared = shared;
    this.askedAtMs = nowMs;
    return this;
  }

  /** Found in the shared cache. */
  foundInShared(entry: CacheEntry, ageMs: number): void {
    this.#land(this, { entry, source: 'cache', ageMs });
  }

  found(link: LinkTarget | undefined): void {
    if (link?.rules !== undefined && !isEveryRuleKnown(link.rules)) {
      this.failed(new UnknownRulesError(link.key));
      return;
    }
    const entry = link === undefined ? 'unknown' : toEntry(link);
    if (entry !== 'unknown' && !this.fill.isStale) this.#shared?.store(entry);
    this.#land(this, { entry, source: 'db', ageMs: 0 });
  }

  failed(error: Error): void {
    this.#land(this, { error });
  }

  notifyFound(entry: CacheEntry, source: LinkSource): void {
    this.#first.found(entry, source);
    if (this.#others !== undefined) for (const other of this.#others) other.found(entry, source);
  }

  notifyFailed(error: Error): void {
    this.#first.failed(error);
    if (this.#others !== undefined) for (const other of this.#others) other.failed(error);
  }
}

function toEntry({ longUrl, expiresAt, rules, state }: LinkTarget): Exclude<CacheEntry, 'unknown'> {
  const plain = { longUrl: longUrl ?? undefined, expiresAtMs: expiresAt?.getTime() };
  return rules === undefined ? plain : { ...plain, rules, state };
}
