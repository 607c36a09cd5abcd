import { createEnsembleId, readEnsembleId } from '../coordinator/ensemble.ts';
import { Session, type SessionState } from '../coordinator/session.ts';
import { startAdmin } from '../runtime/admin.ts';
import type { ProducerConfig } from '../runtime/config/config.ts';
import { KeymillError } from '../runtime/errors.ts';
import type { Scope } from '../runtime/lifecycle.ts';
import type { Log } from '../runtime/log.ts';
import { createMetrics } from '../runtime/metrics.ts';
import { delayFor, pauseQuietly } from '../runtime/retry.ts';
import { PoolLevels } from './pools/levels.ts';
import { createProducerMetrics, type ProducerMetrics } from './metrics.ts';
import { Reachability } from './reachability.ts';
import type { RecycleResult } from './reign/recycle.ts';
import { openStores, type ProducerStores } from './stores.ts';
import type { SupervisorLink } from './processes/supervisor-link.ts';
import { ProducerSession } from './session/producer-session.ts';

const OPEN_TIMEOUT_MS = 10_000;
const RETRY = { baseMs: 100, maxMs: 5_000 };
const ENSEMBLE_EVERY_MS = 100;

/**
 * A producer's worker: opens the stores and the admin port, then lives one ZooKeeper session after another.
 *
 * @throws MismatchError when a keys-db contradicts the configuration
 */
export async function startWorker(
  config: ProducerConfig,
  link: SupervisorLink,
  scope: Scope,
  log: Log,
): Promise<void> {
  const stores = scope.use('stores', openStores(config.stores, log));
  const levels = new PoolLevels(stores.pools, config.pools);
  const metrics = createMetrics();
  const worker = new Worker(config, link, stores, levels, createProducerMetrics(metrics, levels), scope, log);
  const admin = await startAdmin({
    ...config.admin,
    metrics,
    log,
    ready: () => worker.readiness(),
    routes: {
      'POST /drain': async (body) => worker.drain(body),
      'POST /recycle': async () => worker.recycle(),
    },
  });
  scope.use('admin', admin);
  scope.onRelease('session', () => worker.release());
  await worker.start(admin.url);
}

class Worker {
  readonly #config: ProducerConfig;
  readonly #link: SupervisorLink;
  readonly #stores: ProducerStores;
  readonly #levels: PoolLevels;
  readonly #metrics: ProducerMetrics;
  readonly #reachability: Reachability;
  readonly #scope: Scope;
  readonly #log: Log;
  #session: Session | undefined;
  #producerSession: ProducerSession | undefined;
  #drained = false;

  constructor(
    config: ProducerConfig,
    link: SupervisorLink,
    stores: ProducerStores,
    levels: PoolLevels,
    metrics: ProducerMetrics,
    scope: Scope,
    log: Log,
  ) {
    this.#config = config;
    this.#link = link;
    this.#stores = stores;
    this.#levels = levels;
    this.#metrics = metrics;
    this.#scope = scope;
    this.#log = log;
    this.#showState('lost');
    for (const { name } of stores.keysDbs) metrics.lockHeld.set({ keys_db: name }, 0);
    this.#reachability = new Reachability(stores.keysDbs, config.zookeeper.sessionTimeoutMs / 2, log);
  }

  /** Returns once every keys-db has been asked; sessions are lived in the background. @throws MismatchError */
  async start(adminUrl: string): Promise<void> {
    const { signal } = this.#scope;
    const watched = (work: Promise<void>): void =>
      void work.catch((error: unknown) => this.#scope.fail(error));
    const asked = this.#reachability.first();
    // A session is opened meanwhile, but nothing is contended for before the stores are known to be the right ones.
    watched(
      this.#liveSessions(
        adminUrl,
        asked.catch(() => undefined),
      ),
    );
    await asked;
    watched(this.#reachability.run(signal));
    watched(this.#levels.run(signal));
  }

  readiness(): { ok: boolean; [detail: string]: unknown } {
    const session = this.#session?.state ?? 'none';
    const reigns = this.#producerSession?.reigns ?? [];
    return {
      ok: session === 'connected' && this.#producerSession !== undefined,
      session,
      drained: this.#drained,
      shards: reigns.map(({ shard, epoch, ready }) => ({ shard, epoch: epoch ?? null, ready })),
      unreachable: [
        ...this.#reachability.unreachable,
        ...this.#stores.pools.filter(({ connected }) => !connected).map(({ name }) => name),
      ],
    };
  }

  /** `POST /drain`: gives every shard back and takes none; `{"drained": false}` undoes it. */
  drain(body: unknown): { drained: boolean } {
    this.#drained = !(
      typeof body === 'object' &&
      body !== null &&
      'drained' in body &&
      body.drained === false
    );
    this.#log.info({ drained: this.#drained }, 'drain');
    this.#producerSession?.drain(this.#drained);
    return { drained: this.#drained };
  }

  /** `POST /recycle`: has leaked keys that are out of quarantine claimed again, now. */
  async recycle(): Promise<RecycleResult> {
    if (!this.#producerSession)
      throw new KeymillError('NO_SESSION', 'no ZooKeeper session: this producer holds nothing');
    return this.#producerSession.recycle();
  }

  /** Ends reigns gracefully, then closes the session: every lock is free at once. */
  async release(): Promise<void> {
    await this.#producerSession?.release();
    if (!this.#session) return;
    await this.#session.close();
    if (this.#session.isOver) this.#link.sessionOver(this.#session.id);
  }

  async #liveSessions(adminUrl: string, asked: Promise<void>): Promise<void> {
    const { signal } = this.#scope;
    for (let attempt = 0; !signal.aborted; attempt += 1) {
      try {
        await this.#liveOneSession(adminUrl, asked);
        attempt = -1;
      } catch (error) {
        if (signal.aborted) return;
        this.#log.warn({ error }, 'no ZooKeeper session; trying again');
        await pauseQuietly(delayFor(Math.max(0, attempt), RETRY), signal);
      }
    }
  }

  async #liveOneSession(adminUrl: string, asked: Promise<void>): Promise<void> {
    const { signal } = this.#scope;
    const { connect, sessionTimeoutMs: timeoutMs } = this.#config.zookeeper;
    const log = this.#log;
    const session = await Session.open({ connect, timeoutMs, log, signal, openTimeoutMs: OPEN_TIMEOUT_MS });
    if (signal.aborted) return session.close();
    this.#session = session;
    this.#showState(session.state);
    session.on('stateChanged', (state) => this.#showState(state));
    try {
      await this.#link.entrust(session.credentials);
      await asked;
      const ensemble = await this.#whenEnsembleKnown(session);
      if (ensemble === undefined) return;
      this.#producerSession = new ProducerSession(
        {
          session,
          ensemble,
          config: this.#config,
          stores: this.#stores,
          levels: this.#levels,
          reachability: this.#reachability,
          metrics: this.#metrics,
          adminUrl,
          supervisorPid: this.#link.pid,
          log,
        },
        this.#drained,
      );
      this.#producerSession.begin();
      this.#link.ready();
      await aborted(session.ended);
      if (!signal.aborted) log.warn({ session: session.id }, 'session over: every shard is dropped');
    } finally {
      this.#producerSession = undefined;
      await session.close();
      if (session.isOver) this.#link.sessionOver(session.id);
    }
  }

  /**
   * The ensemble's id; undefined when the session ended first. A ZooKeeper without one is either new, like all keys-dbs,
   * or wiped: then nobody contends until an operator adopts it.
   */
  async #whenEnsembleKnown(session: Session): Promise<string | undefined> {
    const ended = AbortSignal.any([session.ended, this.#scope.signal]);
    let told = '';
    for (; !ended.aborted; await pauseQuietly(ENSEMBLE_EVERY_MS, ended)) {
      const id = await readEnsembleId(session).catch(() => null);
      if (typeof id === 'string') return id;
      if (id === null) continue;
      if (this.#reachability.isPristine) return createEnsembleId(session);
      const { unreachable } = this.#reachability;
      const words =
        unreachable.length > 0
          ? 'this ZooKeeper has no ensemble id: one is made for a new cluster once every keys-db answers'
          : 'this ZooKeeper has no ensemble id, but keys-dbs have had reigns: if it was wiped, run "keymill zookeeper adopt"; until then nobody contends';
      if (words !== told) this.#log.error({ unreachable }, words);
      told = words;
    }
    return undefined;
  }

  #showState(state: SessionState): void {
    const shown = state === 'expired' || state === 'closed' ? 'lost' : state;
    for (const known of ['connected', 'suspended', 'lost'] as const) {
      this.#metrics.sessionState.set({ state: known }, shown === known ? 1 : 0);
    }
  }
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
