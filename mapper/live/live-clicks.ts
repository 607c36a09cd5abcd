import { createHash } from 'node:crypto';
import { LiveStreams, type LinkToWatch } from '../../db/redis/live-streams.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import { pollEvery } from '../../runtime/polling.ts';
import type { ClickListener, ResolvedClick } from '../clicks/resolved-click.ts';
import { HEARTBEAT, type LiveClick, type Place } from './live-events.ts';
import { inTurns } from './live-link.ts';
import { LiveListener, type LiveListenerOptions } from './live-listener.ts';
import { LiveShard } from './live-shard.ts';

export interface LiveClicksOptions {
  /** The servers of the pools: every cluster has them, and all mappers the same ones. */
  readonly redis: readonly { readonly name: string; readonly url: string }[];
  /** Clicks that were told to nobody, because a Redis did not take them. */
  readonly onLost: (clicks: number) => void;
  readonly log: Log;
}

const CHECK_EVERY_MS = 1_000;
/** Shorter than the time-outs of proxies for answers without bytes. */
const HEARTBEAT_CHECKS = 5;

/**
 * Clicks of links that somebody watches, told to all who watch, whichever process answers the redirect. They
 * go through a stream of Redis for each watched link, and not through a database. For all other links it
 * costs the counter of clicks one look into an empty set.
 */
export class LiveClicks implements ClickListener, AsyncDisposable {
  readonly #shards: readonly LiveShard[];
  readonly #stopping = new AbortController();
  readonly #checking: Promise<void>;
  readonly wanted = new Set<string>();
  #listeners = 0;
  #checks = 0;

  /** Starts connecting in the background. */
  constructor({ redis, onLost, log }: LiveClicksOptions) {
    this.#shards = redis.map(
      (server) =>
        new LiveShard({
          streams: new LiveStreams({ ...server, log }),
          onWatched: () => this.#wantAll(),
          onLost,
          now: monotonicMs,
          log,
        }),
    );
    this.#checking = pollEvery(CHECK_EVERY_MS, this.#stopping.signal, async () => this.#checkAll());
  }

  /** Clients of this process that listen. */
  get listeners(): number {
    return this.#listeners;
  }

  /** Links that are watched anywhere. */
  get watchedLinks(): number {
    return this.wanted.size;
  }

  onClicks(clicks: readonly ResolvedClick[]): void {
    for (const click of clicks)
      // Two, while processes with another list of servers are there.
      for (const shard of this.#shards)
        if (shard.watched.has(click.key)) shard.clicked(click.key, toLive(click));
  }

  /**
   * Tells a client the clicks of a link as server-sent events, until it goes.
   * @param after where it goes on; undefined: now
   * @throws TooManyWatchedError, StoreUnavailableError, OutcomeUnknownError
   */
  async listen(
    link: LinkToWatch,
    after: Place | undefined,
    { mayGoOn, onClosed }: LiveListenerOptions,
  ): Promise<LiveListener> {
    const shard = shardFor(this.#shards, link.key);
    const listener: LiveListener = new LiveListener({
      mayGoOn,
      onClosed: () => {
        this.#listeners -= 1;
        shard.leave(link.key, listener);
        onClosed();
      },
    });
    this.#listeners += 1;
    try {
      await shard.join(link, listener, after);
    } catch (error) {
      listener.close();
      throw error;
    }
    if (this.#stopping.signal.aborted) listener.close();
    return listener;
  }

  /** Ends all streams: the mapper stops. Their clients come again, to another one. */
  endAll(): void {
    this.#stopping.abort();
    for (const link of this.#links()) link.close();
  }

  #links() {
    return this.#shards.flatMap(({ links }) => [...links]);
  }

  #wantAll(): void {
    this.wanted.clear();
    for (const { watched } of this.#shards) for (const key of watched) this.wanted.add(key);
  }

  async #checkAll(): Promise<void> {
    this.#checks += 1;
    const isDue = this.#checks % HEARTBEAT_CHECKS === 0;
    for (const { listeners } of this.#links())
      await inTurns(listeners, (listener) => {
        void listener.check();
        if (isDue) listener.add(BEAT);
      });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.endAll();
    await this.#checking;
    await Promise.all(this.#shards.map(async (shard) => shard[Symbol.asyncDispose]()));
  }
}

const BEAT = Buffer.from(HEARTBEAT);

/**
 * The shard of a link, the same in all processes with the same servers. With another server more, only its
 * own links move (rendezvous hashing; Thaler and Ravishankar, 1998).
 */
export function shardFor<Shard extends { readonly name: string }>(
  shards: readonly Shard[],
  key: string,
): Shard {
  const [first, ...others] = shards;
  if (first === undefined) throw new RangeError('there is no server');
  const weightOf = ({ name }: Shard): string => createHash('sha256').update(`${name}/${key}`).digest('hex');
  return others.reduce((best, shard) => (weightOf(shard) > weightOf(best) ? shard : best), first);
}

function toLive({ atMs, isBot, ...values }: ResolvedClick): LiveClick {
  const { referrer, country, language, browser, os, device } = values;
  return {
    at: new Date(atMs).toISOString(),
    is_bot: isBot,
    referrer: known(referrer),
    country: known(country),
    language: known(language),
    browser: known(browser),
    os: known(os),
    device: known(device),
  };
}

function known(value: string): string | null {
  return value === '' ? null : value;
}
