import { setTimeout as delay } from 'node:timers/promises';
import { subscribeInvalidations } from '../db/redis/invalidation.ts';
import type { Readiness } from '../runtime/admin.ts';
import { monotonicMs } from '../runtime/clock.ts';
import type { MapperConfig } from '../runtime/config/config.ts';
import type { Log } from '../runtime/log.ts';
import { createMetrics, type Metrics } from '../runtime/metrics.ts';
import { withDeadline } from '../runtime/retry.ts';
import { createApp } from './app.ts';
import { openClickCounter } from './clicks/click-stores.ts';
import { putInFront } from './fast-paths.ts';
import { FastRedirect } from './redirect/fast-redirect.ts';
import { FastShorten } from './shorten/fast-shorten.ts';
import { KeySupply } from './keys/key-supply.ts';
import { createAnnounceChange } from './cache/announce-change.ts';
import { LinkCache } from './cache/link-cache.ts';
import { LinkFinder } from './redirect/link-finder.ts';
import { createMapperMetrics } from './metrics.ts';
import { watchGauges } from './gauges.ts';
import { openSharedCache } from './cache/open-shared-cache.ts';
import { pollEvery } from '../runtime/polling.ts';
import { RedirectTally } from './redirect/redirect-tally.ts';
import { RequestIds } from './http/request-id.ts';
import { LIMITS, startServer, type PublicServer } from './http/server.ts';
import { ShortenTally } from './shorten/shorten-answer.ts';
import { createBodyReader } from './shorten/shorten-body.ts';
import { createShortenRequestParser } from './shorten/shorten-request.ts';
import { Shortener } from './shorten/shortener.ts';
import type { TargetRules } from './shorten/target-url.ts';
import { openStores, type Stores } from './open-stores.ts';
import { openSurface } from './surface.ts';
import { WholeAnswers } from './http/whole-answer.ts';

export interface RunningMapper {
  readonly url: string;
  readonly adminUrl: string;
  /** Not ready at once; serves on for a second; drains; returns its keys; closes everything. */
  stop(): Promise<void>;
}

/** A mapper that serves its public port, and shows itself to nobody yet. */
export interface ServingMapper {
  readonly url: string;
  readonly publicUrl: string;
  readonly metrics: Metrics;
  readiness(): Readiness;
  /** Every key in its hands. */
  heldKeys(): string[];
  /** Not ready at once; serves on for a second; drains; returns its keys; closes everything. */
  stop(timing?: StopTiming): Promise<void>;
}

export interface StopTiming {
  /** Time for load balancers to notice that we are no longer ready. */
  readonly lameDuckMs?: number;
  /** Time for requests under way. */
  readonly drainMs?: number;
}

export interface StartMapperOptions {
  readonly config: MapperConfig;
  readonly log: Log;
  /** Aborted when stopping begins: not ready from that moment on. */
  readonly signal: AbortSignal;
  /** Time for load balancers to notice that we are no longer ready. */
  readonly lameDuckMs?: number;
  /** Without them Koa answers everything, the same but slower: tests compare the two. */
  readonly hasFastPaths?: boolean;
}

/** A mapper asked to stop is gone after this, whatever hangs: who ends it by force must wait longer. */
export const SHUTDOWN_DEADLINE_MS = 15_000;
const LAME_DUCK_MS = 1_000;
const DRAIN_MS = 5_000;

/**
 * Starts a whole mapper in this process: stores, caches, the public port, the admin port, and its announcement.
 * @throws MismatchError when a urls server contradicts the configuration; also when a port is taken
 */
export async function startMapper(options: StartMapperOptions): Promise<RunningMapper> {
  const { config, log } = options;
  const serving = await startServing(options);
  const { url, publicUrl, metrics } = serving;
  try {
    const surface = await openSurface({
      config,
      publicUrl,
      metrics,
      ready: () => serving.readiness(),
      reserve: async () => serving.heldKeys(),
      log,
    });
    log.info({ url, publicUrl, admin: surface.adminUrl }, 'mapper serves');
    return {
      url,
      adminUrl: surface.adminUrl,
      stop: async () => {
        await serving.stop();
        await surface[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await serving.stop({ lameDuckMs: 0, drainMs: 0 });
    throw error;
  }
}

/**
 * Starts what serves: stores, caches and the public port.
 * @throws MismatchError when a urls server contradicts the configuration; also when the port is taken
 */
export async function startServing(options: StartMapperOptions): Promise<ServingMapper> {
  const { config, log, signal, hasFastPaths = true } = options;
  const { urlsReplicas = [] } = config;
  await using stack = new AsyncDisposableStack();
  const registry = createMetrics();
  const metrics = createMapperMetrics(registry);
  const stores = stack.use(
    await openStores({
      config: config.stores,
      replicas: urlsReplicas,
      maxLagMs: config.cache.ttlMs,
      queueLimit: config.queueLimit,
      onLateKeys: (from, keys) => supply.receiveLate(from, keys),
      onBatch: (rows) => metrics.bindBatchSize.observe(rows),
      log,
    }),
  );
  const { pools, servers } = stores;
  const supply: KeySupply = new KeySupply({
    pools,
    reserve: config.reserve,
    keyLength: config.stores.keys.length,
    serverAt: (slot) => servers.at(slot),
    findBound: async (keys) => servers.findBound(keys),
    onDropped: (count, reason) => {
      metrics.dropped.inc({ reason }, count);
      if (reason === 'duplicate') metrics.duplicates.inc(count);
    },
    now: monotonicMs,
    log,
  });
  const { quarantineMs } = config.stores;
  const returning = new AbortController();
  const returns = pollEvery(quarantineMs / 4, returning.signal, async () =>
    supply.returnOlderThan(quarantineMs / 2),
  );
  stack.defer(async () => {
    returning.abort();
    await returns;
  });
  const readsMayLag = urlsReplicas.length > 0;
  const cache = new LinkCache({ ...config.cache, readsMayLag, now: monotonicMs });
  stack.use(
    subscribeInvalidations({
      servers: config.stores.redis,
      log,
      onInvalidated: (key) => cache.invalidate(key),
      onSubscribed: () => cache.flush(),
    }),
  );
  const shared = await openSharedCache(config, log, stack);
  watchGauges(registry, { stores, supply, cache });
  const shortener = new Shortener({
    supply,
    servers,
    cache,
    announce: createAnnounceChange({ pools, shared }),
    maxPending: config.queueLimit,
    now: monotonicMs,
  });
  const publicUrl = (): string => config.publicUrl ?? server.url;
  const { allowPrivateTargets } = config;
  let known: TargetRules | undefined;
  const rules = (): TargetRules => (known ??= { ownUrl: new URL(publicUrl()), allowPrivateTargets });
  const parse = createShortenRequestParser(rules, Date.now);
  const finder = new LinkFinder({ cache, servers, shared, now: monotonicMs });
  const clicks = stack.use(openClickCounter({ config, servers, registry, metrics, log }));
  const redirects = new RedirectTally(metrics, clicks);
  const shortens = new ShortenTally(metrics);
  const requestIds = new RequestIds();
  const app = createApp({
    shortener,
    parse,
    publicUrl,
    finder,
    redirects,
    shortens,
    requestIds,
    log,
  }).callback();
  const read = createBodyReader(parse, rules);
  const answers = new WholeAnswers(LIMITS.keepAliveTimeoutMs);
  const fast = {
    redirect: new FastRedirect({ cache, finder, redirects, requestIds, answers, log }),
    shorten: new FastShorten({ shortener, read, publicUrl, shortens, requestIds, answers, log }),
  };
  const handler = hasFastPaths ? putInFront(fast, app) : app;
  const server: PublicServer = await startServer(
    handler,
    config.http.host,
    config.http.port,
    LIMITS,
    config.processes > 1,
  );
  stack.defer(async () => server.drain(0));
  const resources = stack.move();
  return {
    url: server.url,
    publicUrl: publicUrl(),
    metrics: registry,
    readiness: () => readiness(stores, signal),
    heldKeys: () => supply.heldKeys(),
    stop: async ({ lameDuckMs = options.lameDuckMs ?? LAME_DUCK_MS, drainMs = DRAIN_MS } = {}) => {
      await delay(lameDuckMs);
      await server.drain(drainMs);
      await withDeadline('rows under way', DRAIN_MS, async () => servers.idle()).catch(() => undefined);
      await Promise.all([supply.close(), clicks.close()]);
      await resources.disposeAsync();
    },
  };
}

/** Ready as long as redirects can be served at all; what is degraded is named. */
function readiness({ pools, servers }: Stores, signal: AbortSignal): Readiness {
  const degraded = [
    ...pools.filter(({ isHealthy }) => !isHealthy).map(({ name }) => name),
    ...[...servers.all, ...servers.replicas].filter(({ isUp }) => !isUp).map(({ name }) => name),
  ];
  const keys = pools.reduce((sum, { isHealthy, level }) => sum + (isHealthy ? level : 0), 0);
  return { ok: !signal.aborted && servers.isAnyReadable, stopping: signal.aborted, degraded, keys };
}
