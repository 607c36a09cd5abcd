import { setTimeout as delay } from 'node:timers/promises';
import type { OwnLink } from '../db/own-links/own-link.ts';
import { createKeyspace, type Keyspace } from '../db/keyspace/key.ts';
import type { Readiness } from '../runtime/admin.ts';
import { monotonicMs } from '../runtime/clock.ts';
import type { MapperConfig } from '../runtime/config/config.ts';
import type { Log } from '../runtime/log.ts';
import { createMetrics, type Metrics } from '../runtime/metrics.ts';
import { withDeadline } from '../runtime/retry.ts';
import { openAccountDeletions } from './account-deletions.ts';
import { openAccounts, type MapperAccounts } from './accounts.ts';
import { openClickReader } from './click-reader.ts';
import { openCaches, type MapperCaches, type OpenCachesOptions } from './caches.ts';
import { watchConnections, watchBlockedList, watchGauges, watchLimits } from './gauges.ts';
import { createHandlers } from './handler.ts';
import { LinkGates, type LinkGatesOptions } from './gates/link-gates.ts';
import { PasswordGate } from './gates/password-gate.ts';
import { openImports } from './imports.ts';
import { openImages, type MapperImages, type OpenImagesOptions } from './open-images.ts';
import type { Limits } from './limits/limits.ts';
import { openLimits, type OpenedLimits } from './limits/open-limits.ts';
import { watchBlockedDomains } from './limits/watch-blocked-domains.ts';
import { LIMITS } from './http/limits.ts';
import { openPublicPort } from './http/public-port.ts';
import { startServer } from './http/server.ts';
import { createLinkEvents } from './link-events.ts';
import { createMapperMetrics, type MapperMetrics } from './metrics.ts';
import { openPresence } from './presence.ts';
import { SAVES_MEMORY } from './saves-memory.ts';
import { openService, type Service } from './service.ts';
import { ownAddressesOf, type TargetRules } from './shorten/target-url.ts';
import { openStores, readinessOf, type OpenStoresOptions } from './stores.ts';
import { openWebhooks } from './webhook-delivery.ts';

export interface RunningMapper {
  readonly url: string;
  readonly adminUrl: string;
  /** Serves for another second, drains, returns its keys, closes everything. Abort the signal first. */
  stop(): Promise<void>;
}

/** A mapper that serves its public port. Neither its admin port nor its znode is open yet. */
export interface ServingMapper {
  readonly url: string;
  readonly publicUrl: string;
  readonly metrics: Metrics;
  readiness(): Readiness;
  /** Every key that it has taken and not yet bound. */
  held(): ReturnType<Service['held']>;
  /** Serves for another second, drains, returns its keys, closes everything. Abort the signal first. */
  stop(timing?: StopTiming): Promise<void>;
}

export interface StopTiming {
  /** Time for load balancers to notice that we are no longer ready. */
  readonly lameDuckMs?: number;
  /** Time for requests in flight. */
  readonly drainMs?: number;
}

export interface StartMapperOptions {
  readonly config: MapperConfig;
  readonly log: Log;
  /** Aborted when stopping begins: the mapper is not ready from that moment on. */
  readonly signal: AbortSignal;
  /** Time for load balancers to notice that we are no longer ready. */
  readonly lameDuckMs?: number;
  /** False: Koa answers everything. Tests compare the two ways. Default: true. */
  readonly hasFastPaths?: boolean;
  /** What few requests need is loaded when the first of them comes. Default: in a small cluster. */
  readonly savesMemory?: boolean | undefined;
  /** Decodes pictures instead of a process of its own. A bench measures uploads without decoding. */
  readonly decoder?: OpenImagesOptions['decoder'];
  /** How large batches of the counter are. A test makes small ones. */
  readonly batches?: OpenStoresOptions['batches'];
}

/**
 * A mapper that is asked to stop has ended after this time, even when something hangs. Do not kill it by
 * force earlier.
 */
export const SHUTDOWN_DEADLINE_MS = 15_000;
const LAME_DUCK_MS = 1_000;
const DRAIN_MS = 5_000;

/**
 * Starts a whole mapper in this process: its serving part, then the admin port and the entry in ZooKeeper.
 * @throws MismatchError when a store contradicts the configuration; also when a port is taken
 */
export async function startMapper(options: StartMapperOptions): Promise<RunningMapper> {
  const { config, log } = options;
  const keyspace = createKeyspace(config.stores.keys);
  const serving = await startServing({ ...options, keyspace });
  const { url, publicUrl, metrics } = serving;
  try {
    const presence = await openPresence({
      config,
      publicUrl,
      metrics,
      ready: () => serving.readiness(),
      reserve: async () => serving.held(),
      keyspace: () => keyspace,
      log,
    });
    log.info({ url, publicUrl, admin: presence.adminUrl }, 'mapper serves');
    return {
      url,
      adminUrl: presence.adminUrl,
      stop: async () => {
        await serving.stop();
        await presence[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await serving.stop({ lameDuckMs: 0, drainMs: 0 });
    throw error;
  }
}

interface StartServingOptions extends StartMapperOptions {
  /** Of the configuration. To make one takes 100 ms. Default: it is made. */
  readonly keyspace?: Keyspace;
}

/**
 * Starts the serving part in order: stores, caches, service, handler, public port. It stops in the reverse
 * order.
 * @throws MismatchError when a store contradicts the configuration; also when the port is taken
 */
export async function startServing(options: StartServingOptions): Promise<ServingMapper> {
  const { config, log, signal, hasFastPaths = true, decoder } = options;
  await using stack = new AsyncDisposableStack();
  const registry = createMetrics();
  const metrics = createMapperMetrics(registry);
  const port = stack.use(await openPublicPort(config.http, config.processes > 1));
  const publicUrl = config.publicUrl ?? port.url;
  const { keyspace = createKeyspace(config.stores.keys) } = options;
  const counted = { ...countBatches(metrics), batches: options.batches };
  const events = createLinkEvents(() => accounts); // nobody changes a link before the accounts are open
  const stores = stack.use(await openStores({ config, keyspace, ...counted, events: events.wishes, log }));
  const { pools, issued } = stores;
  const mayAppear = (key: string): boolean => issued.mayBeIssued(key);
  const limits = stack.use(await openLimits({ config, keyspace, metrics, log }));
  const onAnnounced = countChanges(metrics);
  // It asks the caches only when they are open.
  const accounts: MapperAccounts = stack.use(
    openAccounts({
      config,
      publicUrl,
      isHearing: () => caches.isHearing(),
      announce: async (message) => caches.announceChange(message),
      limits: limits.rules,
      metrics,
      log,
    }),
  );
  const caches: MapperCaches = stack.use(
    await openCaches({ config, keyspace, pools, mayAppear, accounts, onAnnounced, log }),
  );
  const blocked = stack.use(
    await watchBlockedDomains({
      path: config.blockedDomains,
      stored: accounts.domains,
      // Links are judged when they are read into memory.
      onChanged: () => caches.links.flush(),
      log,
    }),
  );
  const { isBlocked, isBlockedHost } = blocked;
  const clickSource = stack.use(
    await openClickReader({ config, limits: limits.rules, store: accounts.store, log }),
  );
  const shared = { config, stores, caches, publicUrl, registry, metrics, log };
  // Nobody changes a link before the images are open.
  const onLinkChanged = (link: OwnLink): void => images?.linkChanged(link);
  const service = stack.use(openService({ ...shared, isBlocked, clickSource, events, onLinkChanged }));
  watchLimits(registry, limits);
  if (config.blockedDomains !== undefined) watchBlockedList(registry, blocked);
  watchGauges(registry, { stores, users: accounts.store, supply: service.supply, caches });
  const targets = targetRulesOf(config, ownAddressesOf(publicUrl, port.url), isBlockedHost);
  const users = accounts.store;
  const imports = stack.use(openImports({ ...shared, users, targets, wantsEvents: events.wishes.areWanted }));
  const webhooks = stack.use(openWebhooks({ ...shared, accounts, targets }));
  const images: MapperImages | undefined = stack.use(await openImages({ ...shared, service, decoder }));
  stack.use(openAccountDeletions({ store: users, links: service.ownLinks, images, log }));
  const handlers = await createHandlers({
    ...service,
    images,
    imports: imports.tools,
    webhooks: webhooks.service,
    cache: caches.links,
    accounts,
    corsOrigins: config.corsOrigins ?? [],
    isSignupOpen: config.signup === 'open',
    limits: limits.rules,
    publicUrl,
    secret: config.stores.keys.secret,
    targets,
    following: config.following ?? {},
    countryAt: clickSource.countryAt,
    gates: createGates({ accounts, rules: limits.rules, service, links: caches.links }),
    domains: blocked,
    isForeignKnown: (key) => stores.servers.for(key).mayHaveForeignCodes,
    hasFastPaths,
    savesMemory: options.savesMemory ?? SAVES_MEMORY,
    metrics,
    log,
  });
  const server = await startServer(handlers, port, LIMITS);
  watchConnections(registry, server);
  stack.defer(async () => server.drain(0));
  const resources = stack.move();
  return {
    url: port.url,
    publicUrl,
    metrics: registry,
    readiness: () => readinessOf({ ...stores, users, ...optionalOf(limits, caches, images) }, signal),
    held: () => service.held(),
    stop: async ({ lameDuckMs = options.lameDuckMs ?? LAME_DUCK_MS, drainMs = DRAIN_MS } = {}) => {
      await delay(lameDuckMs);
      service.live.endAll();
      await server.drain(drainMs);
      const { servers } = stores;
      await withDeadline('rows in flight', DRAIN_MS, async () => servers.idle()).catch(() => undefined);
      await service.finish();
      await resources.disposeAsync();
    },
  };
}

/** The parts without which links are still followed. */
function optionalOf(
  { shared: counts }: Pick<OpenedLimits, 'shared'>,
  { shared: cache }: MapperCaches,
  images: MapperImages | undefined,
) {
  return { counts, cache, blobs: images?.store };
}

function targetRulesOf(
  { allowPrivateTargets, maxUrlBytes: maxBytes }: MapperConfig,
  own: TargetRules['own'],
  isBlockedHost: NonNullable<TargetRules['isBlockedHost']>,
): TargetRules {
  return { own, allowPrivateTargets, maxBytes, isBlockedHost };
}

interface GatesParts {
  readonly accounts: Pick<MapperAccounts, 'linkPasswords'>;
  readonly rules: Limits;
  readonly service: Service;
  readonly links: MapperCaches['links'];
}

function createGates({ accounts, rules, service, links }: GatesParts): LinkGates {
  const find: LinkGatesOptions['find'] = async (key) => (await service.finder.find(key)).entry;
  return new LinkGates({
    passwords: new PasswordGate({ passwords: accounts.linkPasswords, guesses: rules.guesses }),
    visits: service.visits,
    guesserOf: (request) => rules.guesserOf(request),
    now: monotonicMs,
    find,
    findAgain: async (key) => {
      links.invalidate(key);
      return find(key);
    },
  });
}

/** What the stores report. */
function countBatches({
  bindBatchSize,
  counterBatches,
  counterWasted,
  counterGoneBack,
}: MapperMetrics): Pick<OpenStoresOptions, 'onBatch' | 'counterEvents'> {
  return {
    onBatch: (rows) => bindBatchSize.observe(rows),
    counterEvents: {
      onBatch: (by) => counterBatches.inc({ by }),
      onWasted: (ids) => counterWasted.inc(ids),
      onGoneBack: () => counterGoneBack.inc(),
    },
  };
}

function countChanges({ changes, changeSeconds }: MapperMetrics): OpenCachesOptions['onAnnounced'] {
  return (heard, seconds, count) => {
    changes.inc({ heard }, count);
    changeSeconds.observe(seconds);
  };
}
