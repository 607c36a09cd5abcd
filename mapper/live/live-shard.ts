import {
  isAfter,
  formatBegin,
  formatClicks,
  formatEvent,
  type LiveClick,
  type Place,
} from './live-events.ts';
import type { LinkToWatch, LiveEntry, LiveStreams } from '../../db/redis/live-streams.ts';
import { StoreUnavailableError } from '../../db/store-errors.ts';
import { KeymillError } from '../../runtime/errors.ts';
import type { Log } from '../../runtime/log.ts';
import { pollEvery } from '../../runtime/polling.ts';
import { LiveLink } from './live-link.ts';
import type { LiveListener } from './live-listener.ts';

/** There is no room for another link that is watched. */
export class TooManyWatchedError extends KeymillError {
  constructor() {
    super('TOO_MANY_WATCHED', 'too many links are watched at the same time');
  }
}

export interface LiveShardOptions {
  readonly streams: LiveStreams;
  /** The watched links of this server have changed. */
  readonly onWatched: () => void;
  /** Clicks of watched links could not be told to anybody. */
  readonly onLost: (clicks: number) => void;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly log: Log;
}

/** How often what has happened is handed on, on the way to the stream and from it. */
const TICK_MS = 250;
/** Of one link and tick. Four ticks a second, and one that is late, are twenty events. */
const MAX_EVENTS = 4;
/** A link with more listeners is told of in fewer ticks: each costs a write for each of them. */
const LISTENERS_OF_TICK = 100;
/** Then it is told a second late. */
const MAX_TICKS = 4;
/** Clicks that a process describes to others within a tick. None of the others could be shown. */
const MAX_DETAILS = MAX_EVENTS + 1;
const WATCH_EVERY_MS = 500;
/** Clients are sent away when a server has not answered for so long: another mapper may reach it. */
const GIVE_UP_MS = 3_000;
/** How long a client waits for a server that is not connected. */
const CONNECT_MS = 250;
/** Clients come again after this, and up to three times as late, so that they do not come all at once. */
const RETRY_MS = 1_000;

interface Batch {
  humans: number;
  bots: number;
  readonly details: LiveClick[];
}

/** The watched links whose clicks go through one Redis server. */
export class LiveShard implements AsyncDisposable {
  readonly #options: LiveShardOptions;
  readonly #stopping = new AbortController();
  readonly #running: readonly Promise<void>[];
  /** Those that clients of this process watch. */
  readonly #links = new Map<string, LiveLink>();
  readonly #batches = new Map<string, Batch>();
  #ticks = 0;
  #ticked = Promise.withResolvers<void>();
  /** Those that anybody watches. */
  watched: ReadonlySet<string> = new Set();

  constructor(options: LiveShardOptions) {
    this.#options = options;
    const { signal } = this.#stopping;
    this.#running = [
      pollEvery(WATCH_EVERY_MS, signal, async () => this.#watchQuietly()),
      pollEvery(TICK_MS, signal, async () => this.#tick()),
    ];
  }

  get name(): string {
    return this.#options.streams.name;
  }

  get links(): Iterable<LiveLink> {
    return this.#links.values();
  }

  /** A watched link was followed. */
  clicked(key: string, click: LiveClick): void {
    let batch = this.#batches.get(key);
    if (batch === undefined) this.#batches.set(key, (batch = { humans: 0, bots: 0, details: [] }));
    if (click.is_bot) batch.bots += 1;
    else batch.humans += 1;
    if (batch.details.length < MAX_DETAILS) batch.details.push(click);
  }

  /**
   * Begins to tell a listener the clicks of a link.
   * @param after where it goes on; undefined: now
   * @throws TooManyWatchedError, StoreUnavailableError, OutcomeUnknownError
   */
  async join(wanted: LinkToWatch, listener: LiveListener, after: Place | undefined): Promise<void> {
    let link = this.#links.get(wanted.key);
    if (link === undefined) {
      link = new LiveLink(wanted, async (opening) => this.#begin(opening));
      this.#links.set(wanted.key, link);
    }
    // From now on, so that the link stays.
    link.listeners.add(listener);
    await link.opened;
    if (after !== undefined) await this.#readUpTo(link, after);
    // What is read from now on comes behind the first piece, and all before is part of it.
    const { lastId } = link;
    listener.restart();
    const missed = after === undefined ? '' : await this.#missed(link, after, lastId);
    listener.begin(Buffer.from(missed + formatBegin(lastId, retryMs())));
  }

  /** Does nothing for one that listens no more. */
  leave(key: string, listener: LiveListener): void {
    const link = this.#links.get(key);
    link?.listeners.delete(listener);
    if (link?.listeners.size === 0) this.#links.delete(key);
  }

  async #begin(link: LiveLink): Promise<void> {
    const { streams, now } = this.#options;
    // The mapper has just started, or the connection was lost a moment ago.
    await streams.whenConnected(CONNECT_MS);
    const { refused } = await streams.watch([link]);
    if (refused.length > 0) throw new TooManyWatchedError();
    const lastId = await streams.lastId(link.key);
    if (lastId === undefined) throw new StoreUnavailableError(this.name, 'it has lost a stream');
    link.lastId = lastId;
    link.readAtMs = now();
  }

  /** A client may come from a process that has read more. */
  async #readUpTo(link: LiveLink, { id }: Place): Promise<void> {
    for (let ticks = 0; ticks <= MAX_TICKS && isAfter(id, link.lastId); ticks += 1)
      await this.#ticked.promise;
  }

  /** What a client has not been told, as events. */
  async #missed(link: LiveLink, after: Place, lastId: string): Promise<string> {
    const entries = isAfter(after.id, lastId)
      ? []
      : await this.#options.streams.range(link.key, after.id, lastId);
    const [first, ...others] = entries;
    if (first?.id !== after.id) return formatEvent('gap', lastId, {}) + formatClicks(entries, MAX_EVENTS);
    return after.told === undefined
      ? formatClicks(others, MAX_EVENTS)
      : formatClicks(entries, MAX_EVENTS, after.told);
  }

  /** Never rejects. */
  async #tick(): Promise<void> {
    this.#ticks += 1;
    this.#send();
    if (this.#links.size > 0) await this.#read();
    this.#ticked.resolve();
    this.#ticked = Promise.withResolvers();
  }

  /** Does not wait for the answers. */
  #send(): void {
    const { streams, onLost } = this.#options;
    for (const [key, { humans, bots, details }] of this.#batches)
      streams.add(key, { humans, bots, details: JSON.stringify(details) }).catch(() => onLost(humans + bots));
    this.#batches.clear();
  }

  async #read(): Promise<void> {
    const { streams, now, log } = this.#options;
    const due = [...this.#links.values()].filter(
      ({ readAtMs, listeners }) =>
        readAtMs !== Number.POSITIVE_INFINITY && this.#ticks % ticksFor(listeners.size) === 0,
    );
    if (due.length === 0) return;
    try {
      const read = await streams.readAfter(new Map(due.map(({ key, lastId }) => [key, lastId])));
      for (const link of due) {
        link.readAtMs = now();
        const entries = read.get(link.key);
        if (entries !== undefined) await this.#tell(link, entries);
      }
    } catch (error) {
      log.debug({ error, redis: this.name }, 'live clicks could not be read');
      for (const link of this.#links.values()) if (now() - link.readAtMs > GIVE_UP_MS) link.close();
    }
  }

  async #tell(link: LiveLink, entries: readonly LiveEntry[]): Promise<void> {
    link.lastId = entries.at(-1)?.id ?? link.lastId;
    const text = formatClicks(entries, MAX_EVENTS * ticksFor(link.listeners.size));
    if (text !== '') await link.tell(Buffer.from(text));
  }

  async #watchQuietly(): Promise<void> {
    const { streams, onWatched, log } = this.#options;
    try {
      const { watched, refused } = await streams.watch([...this.#links.values()]);
      // It has lost its room while this process was paused. Its clients come again, and are told so.
      for (const key of refused) this.#links.get(key)?.close();
      this.watched = new Set(watched);
      onWatched();
    } catch (error) {
      log.debug({ error, redis: this.name }, 'it could not be found out which links are watched');
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    this.#ticked.resolve();
    await this.#options.streams[Symbol.asyncDispose]();
    await Promise.all(this.#running);
  }
}

/** In every how many ticks a link with so many listeners is told of: 1, 2, or 4. */
export function ticksFor(listeners: number): number {
  if (listeners <= LISTENERS_OF_TICK) return 1;
  return listeners <= 2 * LISTENERS_OF_TICK ? 2 : MAX_TICKS;
}

function retryMs(): number {
  return Math.round(RETRY_MS * (1 + 2 * Math.random()));
}
