import type { Heard } from '../../db/redis/hearing.ts';
import type { Invalidations } from '../../db/redis/invalidation.ts';
import type { LinkCache } from './link-cache.ts';
import type { SharedCache } from './shared-cache.ts';

/** Who has heard of a change when it is answered. */
export interface AnnouncedChange {
  /** Every mapper that hears at least one Redis redirects by the new state from now on. */
  readonly isHeardByAll: boolean;
  /** How long a mapper that has not heard may show the old state. 0 when all have heard. */
  readonly othersMayLagMs: number;
}

/**
 * Makes all mappers forget `key`, because its link was made or changed. Call it when the new state is
 * durable, and answer when it has resolved. Takes half a second at most, and a quarter of a second more if
 * the key's shard of the shared cache hangs. Never rejects.
 */
export type AnnounceChange = (key: string) => Promise<AnnouncedChange>;

/** The same for several keys, in the time that one takes. */
export type AnnounceChanges = (keys: readonly string[]) => Promise<AnnouncedChange>;

export interface AnnounceChangeOptions {
  readonly links: LinkCache;
  readonly shared: SharedCache | undefined;
  readonly invalidations: Pick<Invalidations, 'announce'>;
  /** The longest time that a mapper without an announcement shows an old state. */
  readonly maxLagMs: number;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** @param changes how many links changed */
  readonly onAnnounced: (heard: Heard, seconds: number, changes: number) => void;
}

/**
 * The shared cache forgets the key last. A mapper that has not heard yet may read the old state from a
 * replica, and store it there until then. One that has heard reads the primary.
 */
export function createAnnounceChanges(options: AnnounceChangeOptions): AnnounceChanges {
  const { links, shared, invalidations, maxLagMs, now, onAnnounced } = options;
  return async (keys) => {
    const startedAtMs = now();
    for (const key of keys) links.invalidate(key);
    const heard = await invalidations.announce(keys);
    if (shared !== undefined) await Promise.all(keys.map(async (key) => shared.forget(key)));
    onAnnounced(heard, (now() - startedAtMs) / 1_000, keys.length);
    const isHeardByAll = heard === 'all';
    return { isHeardByAll, othersMayLagMs: isHeardByAll ? 0 : maxLagMs };
  };
}
