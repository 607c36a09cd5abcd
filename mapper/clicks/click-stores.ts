import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { openClicksDb, type ClicksDb, type ClicksDbOptions } from '../../db/clicks/clicks-db.ts';
import type { MapperConfig } from '../../runtime/config/config.ts';
import type { Log } from '../../runtime/log.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import { pollEvery } from '../../runtime/polling.ts';
import type { MapperMetrics } from '../metrics.ts';
import type { UrlsServer } from '../urls/urls-server.ts';
import type { UrlsServers } from '../urls/urls-servers.ts';
import { ClickLedger } from './click-ledger.ts';
import { ClickCounter, type Clicks } from './clicks.ts';
import type { ClickListener, ResolveClick } from './resolved-click.ts';
import type { ClickSender } from './click-ring.ts';

/** What the counter asks about clicks. */
export interface ClickSource {
  /** Undefined: headers are not read, and each click counts as that of a person. */
  readonly resolve: ResolveClick | undefined;
  readonly senderOf?: (peer: Socket) => ClickSender;
}

export interface OpenClickCounterOptions {
  readonly config: MapperConfig;
  readonly servers: UrlsServers;
  readonly source: ClickSource;
  readonly registry: Metrics;
  readonly metrics: MapperMetrics;
  /** Whether anybody waits for the clicks of his links. Default: nobody. */
  readonly areAwaited?: (() => boolean) | undefined;
  /** See {@link ClicksDbOptions}. */
  readonly furtherFor?: ClicksDbOptions['furtherFor'];
  readonly log: Log;
}

/** A counter with the connections through which it stores its clicks. */
export interface OpenClicks extends Clicks, AsyncDisposable {
  /** From now on the listener hears of clicks, until the counter is closed. */
  listen(listener: ClickListener): void;
  /** Stores the counted clicks, for a bounded time; closes the connections. */
  close(): Promise<void>;
}

/** About 10 MB for each urls server, and as much again while it is down. */
const MAX_KEYS = 50_000;
/** Those who wait for clicks are told what has happened in a second at most. */
const AWAITED_MS = 1_000;
const PRUNE_EVERY_MS = 3_600_000;

/**
 * Opens the counter, or one that does nothing if the configuration turns click counting off. The servers need
 * not answer yet.
 */
export function openClickCounter(options: OpenClickCounterOptions): OpenClicks {
  const { config, servers, registry, metrics, furtherFor, log } = options;
  if (config.clicks.counted === false) return UNCOUNTED;
  const source = `${config.id}/${randomBytes(8).toString('hex')}`;
  const onDropped = (clicks: number): void => metrics.clicksDropped.inc(clicks);
  const unresolved = metrics.clicksUnresolved.series({});
  const dbs = config.stores.urlsDbs.map((urlsDb) => openClicksDb({ ...urlsDb, furtherFor }));
  const ledgers = dbs.map(
    (db, index) =>
      new ClickLedger({
        db,
        isUp: () => servers.all[index]?.isWritable === true,
        source,
        maxKeys: MAX_KEYS,
        onStored: (clicks) => metrics.clicksStored.inc(clicks),
        onDropped,
        onStripped: (clicks) => (unresolved.count += clicks),
        log,
      }),
  );
  const ledgerOf = new Map<UrlsServer, ClickLedger>();
  for (const [index, server] of servers.all.entries()) ledgerOf.set(server, ledgers[index] as ClickLedger);
  const counter = new ClickCounter({
    ledgers,
    ledgerFor: (key) => ledgerOf.get(servers.for(key)) as ClickLedger,
    flushMs: () => Math.min(config.clicks.flushMs, options.areAwaited?.() === true ? AWAITED_MS : Infinity),
    maxKeys: MAX_KEYS,
    ...options.source,
    onDropped,
    onUnresolved: () => (unresolved.count += 1),
    now: Date.now,
  });
  registry.gauge('clicks_waiting_keys', 'Keys whose clicks are not stored yet', [], (gauge) =>
    gauge.set(counter.size),
  );
  const pruning = new AbortController();
  const pruned = pollEvery(PRUNE_EVERY_MS, pruning.signal, async () => pruneAll(dbs, log));
  let closed: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    pruning.abort();
    const lost = await counter.close();
    if (lost > 0) log.warn({ keys: lost }, 'clicks of some keys could not be stored');
    await Promise.all(dbs.map(async (db) => db.close()));
    await pruned;
  };
  return {
    count: (key, request) => counter.count(key, request),
    listen: (listener) => counter.listen(listener),
    close: async () => (closed ??= close()),
    [Symbol.asyncDispose]: async () => (closed ??= close()),
  };
}

const UNCOUNTED: OpenClicks = {
  count: () => undefined,
  listen: () => undefined,
  close: async () => undefined,
  [Symbol.asyncDispose]: async () => undefined,
};

async function pruneAll(dbs: readonly ClicksDb[], log: Log): Promise<void> {
  for (const db of dbs) {
    try {
      await db.prune();
    } catch (error) {
      log.debug({ error, urlsDb: db.name }, 'old flush marks could not be deleted; next attempt in an hour');
    }
  }
}
