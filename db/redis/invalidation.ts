import { monotonicMs } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import { pollEvery } from '../../runtime/polling.ts';
import type { Pool } from './pool.ts';
import { openRedis, type RedisClient } from './redis-client.ts';
import { INVALIDATION_CHANNEL } from './redis-keys.ts';

/**
 * Notifies every mapper that its cached entry for `key` is outdated.
 *
 * Publishes on all shards, because every mapper subscribes to all of them. A mapper misses the message only
 * if it is cut off from every shard that accepted it, and then it flushes its cache when it is connected
 * again. Pub/sub guarantees no more. A missed entry stays until its time to live is over.
 *
 * @returns the number of shards that accepted the message; 0 means that no mapper was notified. Never
 * rejects.
 */
export async function publishInvalidation(pools: readonly Pool[], key: string): Promise<number> {
  const published = await Promise.allSettled(
    pools.map(async (pool) => pool.publish(INVALIDATION_CHANNEL, key)),
  );
  return published.filter(({ status }) => status === 'fulfilled').length;
}

export interface InvalidationOptions {
  /** All Redis shards. */
  readonly servers: readonly { readonly name: string; readonly url: string }[];
  readonly log: Log;
  /** Called for every published key, once for each shard that delivers it. */
  readonly onInvalidated: (key: string) => void;
  /**
   * Called when the subscription to a shard begins, at first and after every loss: messages may have been
   * missed.
   */
  readonly onSubscribed: (server: string) => void;
  /**
   * Called when a shard is heard again after a silence that the connection survived. Publishers may have left
   * the shard out meanwhile.
   */
  readonly onHeardAgain: (server: string) => void;
}

/** A running subscription to all shards. */
export interface Invalidations extends AsyncDisposable {
  /**
   * Whether all shards were heard a moment ago. While one is not, an announcement may be missing that only
   * this shard carries.
   */
  readonly isHearing: boolean;
}

/** A lost subscription is detected within `HEARTBEAT_MS` (of the client) plus these two. */
const COMMAND_TIMEOUT_MS = 500;
const HANG_MS = 500;

/** A PONG proves that every message from before its PING has arrived. */
const PROVE_EVERY_MS = 150;
/** Shorter than a publisher waits for a shard that hangs: `TIMEOUT_MS` of announce-change. */
const SILENT_AFTER_MS = 450;

/** Subscribes to all shards until disposed, each on its own connection, which is renewed after every loss. */
export function subscribeInvalidations(options: InvalidationOptions): Invalidations {
  const shards = options.servers.map((server) => new HeardShard(server, options));
  return {
    get isHearing() {
      const nowMs = monotonicMs();
      return shards.every((shard) => shard.isHeard(nowMs));
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all(shards.map(async (shard) => shard[Symbol.asyncDispose]()));
    },
  };
}

/** The subscription to one shard, and the last proof that it is heard. */
class HeardShard implements AsyncDisposable {
  readonly #name: string;
  readonly #client: RedisClient;
  readonly #onHeardAgain: InvalidationOptions['onHeardAgain'];
  readonly #stopping = new AbortController();
  readonly #proving: Promise<void>;
  /** Everything published before this moment has arrived. */
  #heardUntilMs = Number.NEGATIVE_INFINITY;

  constructor({ name, url }: { name: string; url: string }, options: InvalidationOptions) {
    this.#name = name;
    this.#onHeardAgain = options.onHeardAgain;
    this.#client = openRedis(url, {
      name,
      log: options.log.child({ purpose: 'invalidation' }),
      commandTimeoutMs: COMMAND_TIMEOUT_MS,
      hangMs: HANG_MS,
      subscription: { channel: INVALIDATION_CHANNEL, onMessage: options.onInvalidated },
      onConnected: () => {
        options.onSubscribed(name);
        this.#heardUntilMs = monotonicMs();
      },
    });
    this.#proving = pollEvery(PROVE_EVERY_MS, this.#stopping.signal, async () => this.#prove());
  }

  isHeard(nowMs: number): boolean {
    return nowMs - this.#heardUntilMs < SILENT_AFTER_MS;
  }

  async #prove(): Promise<void> {
    const sentAtMs = monotonicMs();
    try {
      await this.#client.command('PING', []);
    } catch {
      return;
    }
    if (!this.isHeard(monotonicMs())) this.#onHeardAgain(this.#name);
    this.#heardUntilMs = Math.max(this.#heardUntilMs, sentAtMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.#client[Symbol.asyncDispose]();
    await this.#proving;
  }
}
