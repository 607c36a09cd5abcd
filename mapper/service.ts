import { monotonicMs } from '../runtime/clock.ts';
import type { MapperConfig } from '../runtime/config/config.ts';
import type { Log } from '../runtime/log.ts';
import type { Metrics } from '../runtime/metrics.ts';
import { pollEvery } from '../runtime/polling.ts';
import type { BulkTools } from './bulk/tools.ts';
import { Units } from './bulk/units.ts';
import type { MapperCaches } from './caches.ts';
import { openClickCounter, type ClickSource, type OpenClicks } from './clicks/click-stores.ts';
import { openJobs } from './jobs/open-jobs.ts';
import { heldBy, type HeldByMapper } from './keys/held-by-mapper.ts';
import { KeySupply } from './keys/key-supply.ts';
import type { LinkEvents } from './link-events.ts';
import { openOwnLinks } from './links/open-own-links.ts';
import type { OwnLinks, OwnLinksOptions } from './links/own-links.ts';
import { watchLive } from './gauges.ts';
import type { MapperMetrics } from './metrics.ts';
import { LiveClicks } from './live/live-clicks.ts';
import { openOrphans } from './orphans/open-orphans.ts';
import type { Orphans } from './orphans/orphans.ts';
import { LinkFinder } from './redirect/link-finder.ts';
import { openReservations } from './reservations/open-reservations.ts';
import type { Reservations } from './reservations/reservations.ts';
import { RowMaker } from './shorten/row-maker.ts';
import { Shortener } from './shorten/shortener.ts';
import { openStatistics } from './statistics/open-statistics.ts';
import type { Statistics } from './statistics/statistics.ts';
import { MAX_BULK_ROWS } from './urls/urls-writes.ts';
import type { MapperStores } from './stores.ts';
import { LimitedVisits } from './visits/limited-visits.ts';

/** What a mapper does, without HTTP: makes and finds links, counts clicks, lets owners change their links. */
export interface Service extends AsyncDisposable {
  readonly supply: KeySupply;
  /** Every key that it has taken and not yet bound. */
  held(): HeldByMapper;
  readonly shortener: Shortener;
  readonly finder: LinkFinder;
  readonly clicks: OpenClicks;
  /** Tells clicks as they happen. */
  readonly live: LiveClicks;
  /** Counts the keys that are asked for in vain. */
  readonly orphans: Orphans;
  readonly ownLinks: OwnLinks;
  readonly statistics: Statistics;
  /** Makes many links at a time. */
  readonly bulk: BulkTools;
  /** Makes links for requests that may be repeated. */
  readonly reservations: Reservations;
  /** Gives the visits of links that may be followed a limited number of times. */
  readonly visits: LimitedVisits;
  /** Returns the keys and stores the clicks. Call it when no request is in flight any more. */
  finish(): Promise<void>;
}

export interface ServiceOptions {
  readonly config: MapperConfig;
  readonly stores: MapperStores;
  readonly caches: MapperCaches;
  /** Whether the domain of a target is blocked. */
  readonly isBlocked?: (target: string) => boolean;
  /** What is known of those who follow links. */
  readonly clickSource?: ClickSource;
  /** What is written of clicks and of links that expire. Default: nothing. */
  readonly events?: Pick<LinkEvents, 'ofClicks' | 'areClicksAwaited' | 'jobs'>;
  readonly onLinkChanged?: OwnLinksOptions['onChanged'];
  readonly registry: Metrics;
  readonly metrics: MapperMetrics;
  readonly log: Log;
}

/** Headers of clicks are not read. */
const NO_SOURCE: ClickSource = { resolve: undefined };

/** Also starts the work in the background: returning keys that are not needed, storing clicks, and jobs. */
export function openService(options: ServiceOptions): Service {
  const { config, stores, caches, isBlocked, events, registry, metrics, log } = options;
  const { servers } = stores;
  const stack = new AsyncDisposableStack();
  const supply = createSupply(options);
  stack.defer(returnOldKeys(supply, config.stores.quarantineMs));
  const clicks = stack.use(
    openClickCounter({
      config,
      servers,
      source: options.clickSource ?? NO_SOURCE,
      registry,
      metrics,
      furtherFor: events?.ofClicks,
      areAwaited: events?.areClicksAwaited,
      log,
    }),
  );
  const live = stack.use(openLive(options, clicks));
  const missing = stack.use(openOrphans({ config, servers, log }));
  stack.use(openJobs({ config, servers: servers.all, jobs: events?.jobs, log }));
  const announce = caches.announceChange;
  const { announceChanges: announceAll } = caches;
  const onChanged = options.onLinkChanged;
  const own = stack.use(openOwnLinks({ config, servers, announce, announceAll, onChanged, log }));
  const { statistics } = stack.use(
    openStatistics(
      config.stores.urlsDbs.map((urlsDb, index) => ({
        ...urlsDb,
        isUp: () => servers.all[index]?.isUp === true,
      })),
    ),
  );
  const shortener = new Shortener({
    supply,
    servers,
    cache: caches.links,
    announce,
    maxPending: config.queueLimit,
    now: monotonicMs,
  });
  const reserved = stack.use(
    openReservations({
      supply,
      servers,
      bind: async (row) => shortener.bindReserved(row),
      appeared: (key) => caches.links.appeared(key),
      announce,
      log,
    }),
  );
  return {
    supply,
    held: () => heldBy(supply, stores.counter),
    ownLinks: own.links,
    statistics,
    bulk: {
      supply,
      servers,
      rows: new RowMaker(),
      appeared: (key) => caches.links.appeared(key),
      announce: announceAll,
      units: new Units(MAX_BULK_ROWS),
      now: monotonicMs,
    },
    reservations: reserved.reservations,
    visits: new LimitedVisits({
      serverFor: (key) => servers.for(key),
      queueLimit: config.queueLimit,
      onOutcome: (result, visitors) => metrics.visits.inc({ result }, visitors),
      now: monotonicMs,
    }),
    shortener,
    finder: new LinkFinder({
      cache: caches.links,
      servers,
      shared: caches.shared,
      isBlocked,
      now: monotonicMs,
    }),
    clicks,
    live,
    orphans: missing.orphans,
    finish: async () => {
      await Promise.all([supply.close(), clicks.close(), missing.finish()]);
    },
    [Symbol.asyncDispose]: async () => stack.disposeAsync(),
  };
}

function openLive({ config, registry, metrics, log }: ServiceOptions, clicks: OpenClicks): LiveClicks {
  const onLost = (lost: number): void => metrics.liveClicksLost.inc(lost);
  const live = new LiveClicks({ redis: config.stores.redis, onLost, log });
  clicks.listen(live);
  watchLive(registry, live);
  return live;
}

function createSupply({ config, stores, metrics, log }: ServiceOptions): KeySupply {
  const { pools, counter, servers } = stores;
  return new KeySupply({
    pools: counter === undefined ? pools : [counter],
    reserve: config.reserve,
    keyLength: stores.keyspace.length,
    serverAt: (slot) => servers.at(slot),
    findBound: async (keys) => servers.findBound(keys),
    onDropped: (count, reason) => {
      metrics.dropped.inc({ reason }, count);
      if (reason === 'duplicate') metrics.duplicates.inc(count);
    },
    now: monotonicMs,
    log,
  });
}

/**
 * Returns keys that were held for half of the quarantine, because after the whole of it they are recycled.
 * @returns a function that stops this, and resolves when the last return has ended
 */
function returnOldKeys(supply: KeySupply, quarantineMs: number): () => Promise<void> {
  const stopping = new AbortController();
  const polling = pollEvery(quarantineMs / 4, stopping.signal, async () =>
    supply.returnOlderThan(quarantineMs / 2),
  );
  return async () => {
    stopping.abort();
    await polling;
  };
}
