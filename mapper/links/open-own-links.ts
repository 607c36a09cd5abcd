import { slotOf } from '../../db/keyspace/placement.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import type { MapperConfig } from '../../runtime/config/config.ts';
import type { Log } from '../../runtime/log.ts';
import { endPolls, pollEvery } from '../../runtime/polling.ts';
import { pauseQuietly } from '../../runtime/retry.ts';
import type { AnnounceChange, AnnounceChanges } from '../cache/announce-change.ts';
import type { UrlsServers } from '../urls/urls-servers.ts';
import { OwnLinks, type OwnLinksOptions } from './own-links.ts';
import { pruneAll } from './prune-links.ts';

export interface OpenOwnLinksOptions {
  readonly config: MapperConfig;
  readonly servers: UrlsServers;
  readonly announce: AnnounceChange;
  readonly announceAll: AnnounceChanges;
  readonly onChanged?: OwnLinksOptions['onChanged'];
  readonly log: Log;
}

/** The rules of own links, and their work in the background. */
export interface OpenOwnLinks extends AsyncDisposable {
  readonly links: OwnLinks;
}

const PRUNE_EVERY_MS = 3_600_000;
/** Not at once: the start of a mapper has more urgent work. */
const PRUNE_FIRST_MS = 60_000;

/** Also starts the work in the background: clearing links that were deleted long ago. */
export function openOwnLinks({
  config,
  servers,
  announce,
  announceAll,
  onChanged,
  log,
}: OpenOwnLinksOptions): OpenOwnLinks {
  const own = servers.all.map((server) => ({
    db: server.ownLinks,
    isUp: () => server.isUp,
    isWritable: () => server.isWritable,
  }));
  const stopping = new AbortController();
  const pruning = (async () => {
    await pauseQuietly(PRUNE_FIRST_MS, stopping.signal);
    await pollEvery(PRUNE_EVERY_MS, stopping.signal, async () => pruneAll(own, stopping.signal, log));
  })();
  return {
    links: new OwnLinks({
      servers: own,
      announce,
      announceAll,
      onChanged,
      secret: config.stores.keys.secret,
      slotOf,
      now: monotonicMs,
    }),
    [Symbol.asyncDispose]: async () => {
      stopping.abort();
      await endPolls(pruning);
    },
  };
}
