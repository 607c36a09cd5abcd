import type { Log } from '../../runtime/log.ts';
import type { Pool } from './pool.ts';
import { openRedis } from './redis-client.ts';
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
}

/** A lost subscription is detected within `HEARTBEAT_MS` (of the client) plus these two. */
const COMMAND_TIMEOUT_MS = 500;
const HANG_MS = 500;

/** Subscribes to all shards until disposed, each on its own connection, which is renewed after every loss. */
export function subscribeInvalidations(options: InvalidationOptions): AsyncDisposable {
  const clients = options.servers.map(({ name, url }) =>
    openRedis(url, {
      name,
      log: options.log.child({ purpose: 'invalidation' }),
      commandTimeoutMs: COMMAND_TIMEOUT_MS,
      hangMs: HANG_MS,
      subscription: { channel: INVALIDATION_CHANNEL, onMessage: options.onInvalidated },
      onConnected: () => options.onSubscribed(name),
    }),
  );
  return {
    [Symbol.asyncDispose]: async () => {
      await Promise.all(clients.map(async (client) => client[Symbol.asyncDispose]()));
    },
  };
}
