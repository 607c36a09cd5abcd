import type { Log } from '../../runtime/log.ts';
import { ImpossibleValueError, parseCount } from '../../runtime/stored-values.ts';
import { openRedis, type RedisClient } from './redis-client.ts';
import {
  LIVE_CLICKS_PREFIX,
  liveClicksKey,
  WATCHED_LINKS_KEY,
  WATCHED_OF_OWNER_PREFIX,
} from './redis-keys.ts';
import { SCRIPTS } from './redis-scripts.ts';

/** Clicks of one link that one process has counted within a moment. */
export interface LiveBatch {
  readonly humans: number;
  readonly bots: number;
  /** JSON of an array: what is known about the first of them. */
  readonly details: string;
}

/** A batch as it is stored. */
export interface LiveEntry extends LiveBatch {
  /** Of Redis: `<milliseconds>-<number>`, rising. */
  readonly id: string;
}

/** A link that somebody watches. */
export interface LinkToWatch {
  readonly key: string;
  /** Names its owner. */
  readonly owner: string;
}

/** How long a link stays watched after it was last watched again, and with it the stream of its clicks. */
export const WATCHED_MS = 60_000;
/** Links that may be watched at a time on one server. Each has at most some 0.5 MB of clicks there. */
export const MAX_WATCHED = 256;
/** Those of one owner, so that he leaves room for others. */
export const MAX_WATCHED_OF_OWNER = 32;
/** Batches that the stream of a link keeps: a minute of four busy processes. */
export const MAX_ENTRIES = 1_000;

/** Watching is repeated every half second. So a link without it for this long has no watcher now. */
const STALE_MS = 5_000;
const TIMEOUT_MS = 500;
const READ_ENTRIES = 200;

/**
 * The clicks of watched links on one Redis server, for all mappers. Clicks of other links never come here. It
 * has a connection of its own, so that nobody who takes keys from the same server waits for it.
 *
 * Every method throws StoreUnavailableError or OutcomeUnknownError within the deadline.
 */
export class LiveStreams implements AsyncDisposable {
  readonly #redis: RedisClient;

  /** Starts connecting in the background. */
  constructor({ name, url, log }: { readonly name: string; readonly url: string; readonly log: Log }) {
    const options = { name, log: log.child({ purpose: 'live clicks' }), commandTimeoutMs: TIMEOUT_MS };
    this.#redis = openRedis(url, options);
  }

  get name(): string {
    return this.#redis.name;
  }

  /** Resolves to whether the server was connected within `timeoutMs`. */
  async whenConnected(timeoutMs: number): Promise<boolean> {
    return this.#redis.whenConnected(timeoutMs);
  }

  /**
   * Says which links this process watches. They stay watched for {@link WATCHED_MS}.
   * @returns the keys of all watched links of this server, and those of `links` for which there is no room
   */
  async watch(links: readonly LinkToWatch[]): Promise<{ watched: string[]; refused: string[] }> {
    const bounds = [WATCHED_MS, MAX_WATCHED, MAX_WATCHED_OF_OWNER, STALE_MS];
    const names = links.flatMap(({ key, owner }) => [key, owner]);
    const args = [...bounds, LIVE_CLICKS_PREFIX, WATCHED_OF_OWNER_PREFIX, ...names];
    const reply = await this.#redis.run(SCRIPTS.watchLinks, [WATCHED_LINKS_KEY], args);
    const [watched, refused] = reply as [string[], string[]];
    return { watched, refused };
  }

  /** Adds clicks of a watched link. @returns false when nobody watches it any more */
  async add(key: string, { humans, bots, details }: LiveBatch): Promise<boolean> {
    const args = [MAX_ENTRIES, humans, bots, details];
    return (await this.#redis.run(SCRIPTS.addClicks, [liveClicksKey(key)], args)) === 1;
  }

  /** The id of the last entry of a watched link; undefined: it is not watched. */
  async lastId(key: string): Promise<string | undefined> {
    const reply = await this.#redis.command('XREVRANGE', [liveClicksKey(key), '+', '-', 'COUNT', 1]);
    return this.#parseEntries(reply)[0]?.id;
  }

  /**
   * Entries of a link, from the one with the id `from` to the one with the id `to`, both included. An entry
   * that is not there any more is left out.
   */
  async range(key: string, from: string, to: string): Promise<LiveEntry[]> {
    return this.#parseEntries(await this.#redis.command('XRANGE', [liveClicksKey(key), from, to]));
  }

  /** The next entries of several links, by their keys. @param places the id after which to read, by key */
  async readAfter(places: ReadonlyMap<string, string>): Promise<Map<string, LiveEntry[]>> {
    const names = [...places.keys()].map(liveClicksKey);
    const args = ['COUNT', READ_ENTRIES, 'STREAMS', ...names, ...places.values()];
    const reply = await this.#redis.command('XREAD', args);
    if (reply === null) return new Map();
    const streams = reply as readonly [name: string, entries: unknown][];
    return new Map(
      streams.map(([name, entries]) => [name.slice(LIVE_CLICKS_PREFIX.length), this.#parseEntries(entries)]),
    );
  }

  #parseEntries(reply: unknown): LiveEntry[] {
    return (reply as readonly [id: string, fields: readonly string[]][]).map(([id, fields]) => {
      const value = (name: string): string | undefined => fields[fields.indexOf(name) + 1];
      const source = { store: this.name, what: `the stream of live clicks, entry ${id}` };
      const details = value('d');
      if (details === undefined) throw new ImpossibleValueError(this.name, `${source.what} has no details`);
      return {
        id,
        humans: parseCount(value('h'), source),
        bots: parseCount(value('b'), source),
        details,
      };
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#redis[Symbol.asyncDispose]();
  }
}
