import type { Log } from '../../runtime/log.ts';
import type { Pool } from './pool.ts';
import { openRedis } from './redis-client.ts';
import { INVALIDATION_CHANNEL } from './redis-keys.ts';

/**
 * Tells every mapper that what it has cached about `key` is outdated.
 *
 * Published on every shard at once, because every mapper listens to all of them: a mapper misses it only if it is cut off from each
 * shard that took it, and then it flushes when it is back. Pub/sub promises nothing more; the caches' time to live is the bound.
 *
 * @returns on how many shards it was published; 0 means that nobody was told. Never rejects.
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
  /** Called for every announced key, once for each shard that carries it. */
  readonly onInvalidated: (key: string) => void;
  /** Called whenever a shard's subscription begins, the first time and after every loss: announcements may have been missed. */
  readonly onSubscribed: (server: string) => void;
}

/** A lost subscription is noticed within `HEARTBEAT_MS` (of the client) + these two. */
const COMMAND_TIMEOUT_MS = 500;
const HANG_MS = 500;

/** Listens to all shards until disposed; each on a connection of its own, renewed whenever it is lost. */
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
