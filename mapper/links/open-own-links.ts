import { slotOf } from '../../db/keyspace/placement.ts';
import { openOwnLinksDb } from '../../db/own-links/own-links-db.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import type { MapperConfig } from '../../runtime/config/config.ts';
import type { Log } from '../../runtime/log.ts';
import { pollEvery } from '../../runtime/polling.ts';
import type { AnnounceChange } from '../cache/announce-change.ts';
import type { LinkCache } from '../cache/link-cache.ts';
import type { UrlsServers } from '../urls/urls-servers.ts';
import { OwnLinks } from './own-links.ts';
import type { OwnLinksServer } from './own-links-server.ts';
import { pruneAll } from './prune-links.ts';

export interface OpenOwnLinksOptions {
  readonly config: MapperConfig;
  readonly servers: UrlsServers;
  readonly cache: LinkCache;
  readonly announce: AnnounceChange;
  readonly log: Log;
}

/** The rules of own links, with the connections that they need. */
export interface OpenOwnLinks extends AsyncDisposable {
  readonly links: OwnLinks;
}

const PRUNE_EVERY_MS = 3_600_000;

/**
 * Connects when first used: a mapper that only follows and shortens has no connection more. In the
 * background, links that were deleted long ago are cleared.
 */
export function openOwnLinks({ config, servers, cache, announce, log }: OpenOwnLinksOptions): OpenOwnLinks {
  const own = config.stores.urlsDbs.map((urlsDb, index): OwnLinksServer => {
    const server = servers.all[index];
    return {
      db: openOwnLinksDb(urlsDb),
      isUp: () => server?.isUp === true,
      isWritable: () => server?.isWritable === true,
    };
  });
  const stopping = new AbortController();
  const pruning = pollEvery(PRUNE_EVERY_MS, stopping.signal, async () => pruneAll(own, stopping.signal, log));
  return {
    links: new OwnLinks({
      servers: own,
      forget: (key) => cache.invalidate(key),
      announce,
      secret: config.stores.keys.secret,
      slotOf,
      now: monotonicMs,
    }),
    [Symbol.asyncDispose]: async () => {
      stopping.abort();
      await Promise.all([pruning, ...own.map(async ({ db }) => db.close())]);
    },
  };
}
