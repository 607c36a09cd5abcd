import { markDrained } from '../coordinator/drained.ts';
import { Session, type SessionState } from '../coordinator/session.ts';
import { BadBodyError, startAdmin, type AdminBody } from '../runtime/admin.ts';
import type { ProducerConfig } from '../runtime/config/config.ts';
import { KeymillError } from '../runtime/errors.ts';
import type { Scope } from '../runtime/lifecycle.ts';
import type { Log } from '../runtime/log.ts';
import { createMetrics } from '../runtime/metrics.ts';
import { delayFor, pauseQuietly } from '../runtime/retry.ts';
import { ClusterMemory, openDashboard, type ProducerReadiness } from './dashboard.ts';
import { createProducerMetrics, type ProducerMetrics } from './metrics.ts';
import { PoolLevels } from './pools/levels.ts';
import type { SupervisorLink } from './processes/supervisor-link.ts';
import { Reachability } from './reachability.ts';
import type { RecycleResult } from './reign/recycle.ts';
import type { OnLocks } from './session/cluster-view.ts';
import { ProducerSession, type ProducerAlarms } from './session/producer-session.ts';
import { RecyclingAlarm } from './session/recycling-alarm.ts';
import { RefusalAlarm } from './session/refusal-alarm.ts';
import { openStores, type ProducerStores } from './stores.ts';

const OPEN_TIMEOUT_MS = 10_000;
const RETRY = { baseMs: 100, maxMs: 5_000 };

/**
 * A producer's worker: opens the stores and the admin port, then runs one ZooKeeper session after another.
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
  const memory = new ClusterMemory(config.stores);
  const levels = new PoolLevels(stores.pools, config.pools, memory.onAnswering);
  const metrics = createMetrics();
  const producerMetrics = createProducerMetrics(metrics, levels);
  const { onLocks } = memory;
  const worker = new Worker({ config, link, stores, levels, metrics: producerMetrics, onLocks, scope, log });
  const ready = (): ProducerReadiness => worker.readiness();
  const pages = openDashboard({ config, stores, levels, memory, metrics, ready });
  const admin = await startAdmin({
    ...config.admin,
    metrics,
    log,
    ready,
    pages,
    routes: {
      'GET /dashboard/report': async (_, query) => pages.report(query.get('since') ?? undefined),
      'POST /drain': async (body) => worker.drain(body),
      'POST /recycle': async () => worker.recycle(),
    },
  });
  scope.use('admin', admin);
  scope.onRelease('session', () => worker.release());
  await worker.start(admin.url);
}

interface WorkerOptions {
  readonly config: ProducerConfig;
  readonly link: SupervisorLink;
  readonly stores: ProducerStores;
  readonly levels: PoolLevels;
  readonly metrics: ProducerMetrics;
  readonly onLocks: OnLocks;
  readonly scope: Scope;
  readonly log: Log;
}

class Worker {
  readonly #options: WorkerOptions;
  readonly #reachability: Reachability;
  readonly #alarms: ProducerAlarms;
  readonly #log: Log;
  /** The last one opened. */
  #session: Session | undefined;
  /** Contends during the current session; undefined while there is none. */
  #producerSession: ProducerSession | undefined;

  constructor(options: WorkerOptions) {
    const { config, stores, metrics, log } = options;
    this.#options = options;
    this.#log = log;
    this.#alarms = {
      refusals: new RefusalAlarm(metrics, log),
      recycling: new RecyclingAlarm(metrics, log),
    };
    this.#showState('lost');
    for (const { name } of stores.keysDbs) metrics.lockHeld.set({ keys_db: name }, 0);
    this.#reachability = new Reachability(stores.keysDbs, config.zookeeper.sessionTimeoutMs / 2, log);
  }

  /** Returns once every keys-db has been asked; sessions run in the background. @throws MismatchError */
  async start(adminUrl: string): Promise<void> {
    const { scope, levels } = this.#options;
    const inBackground = (work: Promise<void>): void =>
      void work.catch((error: unknown) => scope.fail(error));
    const asked = this.#reachability.askOnce();
    const whenAsked = asked.catch(() => undefined);
    // A session is opened meanwhile, but it contends for nothing before the keys-dbs are verified.
    inBackground(this.#runSessions(adminUrl, whenAsked));
    await asked;
    inBackground(this.#reachability.run(scope.signal));
    inBackground(levels.run(scope.signal));
  }

  readiness(): ProducerReadiness {
    const session = this.#session?.state ?? 'none';
    const reigns = this.#producerSession?.reigns ?? [];
    const idle = this.#producerSession?.idle;
    const silentPools = this.#options.stores.pools.filter(({ isConnected }) => !isConnected);
    return {
      ok: session === 'connected' && this.#producerSession !== undefined && idle === undefined,
      session,
      idle: idle ?? null,
      refused: this.#producerSession?.refused ?? {},
      recyclingBlocked: this.#alarms.recycling.blockedBy,
      drained: this.#producerSession?.isDrained ?? false,
      shards: reigns.map(({ shard, epoch, isReady }) => ({ shard, epoch: epoch ?? null, ready: isReady })),
      refusedPools: this.#options.levels.refused.all(),
      unreachable: [...this.#reachability.unreachable, ...silentPools.map(({ name }) => name)],
    };
  }

  /**
   * `POST /drain`: gives every shard back and takes none, until `{"drained": false}` undoes it. The mark is
   * in ZooKeeper, so it holds for the workers that follow this one.
   * @throws BadBodyError
   */
  async drain({ drained }: AdminBody): Promise<{ drained: boolean }> {
    if (typeof drained !== 'boolean') throw new BadBodyError('{"drained": true} or {"drained": false}');
    if (!this.#producerSession || !this.#session) throw noSession();
    await markDrained(this.#session, this.#options.config.id, drained);
    return { drained };
  }

  /** `POST /recycle`: searches for leaked keys now, and claims again those that are out of quarantine. */
  async recycle(): Promise<RecycleResult> {
    if (!this.#producerSession) throw noSession();
    return this.#producerSession.recycle();
  }

  /** Ends reigns gently, then closes the session, which frees all locks. */
  async release(): Promise<void> {
    await this.#producerSession?.release();
    if (this.#session) await this.#close(this.#session);
  }

  async #runSessions(adminUrl: string, whenAsked: Promise<void>): Promise<void> {
    const { signal } = this.#options.scope;
    for (let attempt = 0; !signal.aborted; attempt += 1) {
      try {
        await this.#runOneSession(adminUrl, whenAsked);
        attempt = -1;
      } catch (error) {
        if (signal.aborted) return;
        this.#log.warn({ error }, 'no ZooKeeper session; trying again');
        await pauseQuietly(delayFor(Math.max(0, attempt), RETRY), signal);
      }
    }
  }

  async #runOneSession(adminUrl: string, whenAsked: Promise<void>): Promise<void> {
    const { signal } = this.#options.scope;
    const log = this.#log;
    const { connect, auth, sessionTimeoutMs: timeoutMs } = this.#options.config.zookeeper;
    const openTimeoutMs = OPEN_TIMEOUT_MS;
    const session = await Session.open({ connect, timeoutMs, auth, log, signal, openTimeoutMs });
    if (signal.aborted) return session.close();
    this.#session = session;
    this.#showState(session.state);
    session.on('stateChanged', (state) => this.#showState(state));
    try {
      await this.#options.link.entrust(session.credentials);
      await whenAsked;
      if (session.ended.aborted || signal.aborted) return;
      await this.#contend(session, adminUrl);
      if (!signal.aborted) log.warn({ session: session.id }, 'session over: every shard is dropped');
    } finally {
      this.#producerSession = undefined;
      await this.#close(session);
    }
  }

  async #contend(session: Session, adminUrl: string): Promise<void> {
    const { config, stores, levels, metrics, onLocks, link, log } = this.#options;
    const supervisorPid = link.pid;
    this.#producerSession = new ProducerSession({
      session,
      config,
      stores,
      levels,
      reachability: this.#reachability,
      metrics,
      alarms: this.#alarms,
      adminUrl,
      supervisorPid,
      onLocks,
      log,
    });
    const ended = this.#producerSession.run();
    link.ready();
    await ended;
  }

  async #close(session: Session): Promise<void> {
    await session.close();
    if (session.isOver) this.#options.link.sessionOver(session.id);
  }

  #showState(state: SessionState): void {
    const shown = state === 'expired' || state === 'closed' ? 'lost' : state;
    for (const known of ['connected', 'suspended', 'lost'] as const) {
      this.#options.metrics.sessionState.set({ state: known }, shown === known ? 1 : 0);
    }
  }
}

function noSession(): KeymillError {
  return new KeymillError('NO_SESSION', 'no ZooKeeper session: this producer holds nothing');
}
