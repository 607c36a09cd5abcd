import { hostname } from 'node:os';
import { sweepOwnNodes } from '../../coordinator/lock-view.ts';
import { isHeld, tryAcquire, type HeldLock } from '../../coordinator/lock.ts';
import { lockPath } from '../../coordinator/paths.ts';
import type { Session } from '../../coordinator/session.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import type { ProducerConfig } from '../../runtime/config/config.ts';
import type { Log } from '../../runtime/log.ts';
import type { Bell } from '../bell.ts';
import type { ProducerMetrics } from '../metrics.ts';
import type { PoolLevels } from '../pools/levels.ts';
import { Reign, type ReignEnd } from '../reign/reign.ts';
import type { ProducerStores } from '../stores.ts';
import type { Attempts } from './attempts.ts';
import type { RecyclingAlarm } from './recycling-alarm.ts';
import { readReserves } from './reserves.ts';

export interface HeldShardsOptions {
  readonly session: Session;
  readonly config: ProducerConfig;
  readonly stores: ProducerStores;
  readonly levels: PoolLevels;
  readonly metrics: ProducerMetrics;
  readonly attempts: Attempts;
  readonly recyclingAlarm: RecyclingAlarm;
  /** Rung when a shard was taken, given back or lost, and after a sweep. */
  readonly changed: Bell;
  readonly log: Log;
}

/** The locks and reigns of one session, from the attempt to take a lock until it is free again. */
export class HeldShards {
  readonly #options: HeldShardsOptions;
  readonly #reigns = new Map<string, Reign>();
  readonly #acquiring = new Set<string>();
  #isReleasingAll = false;
  #isSweeping = false;

  constructor(options: HeldShardsOptions) {
    this.#options = options;
  }

  get reigns(): readonly Reign[] {
    return [...this.#reigns.values()];
  }

  /** Shards whose lock is held. */
  get owned(): string[] {
    return [...this.#reigns.keys()];
  }

  /** Shards whose lock is held or being taken. */
  get claimed(): string[] {
    return [...new Set([...this.#reigns.keys(), ...this.#acquiring])];
  }

  /** No lock may be taken while a sweep is running: the sweep would delete it. */
  get isSweeping(): boolean {
    return this.#isSweeping;
  }

  /**
   * Takes the lock if it is free and begins a reign. A failure blocks the shard for a while.
   * @param ensemble id of the ensemble that gives the lock
   */
  async acquire(shard: string, ensemble: string): Promise<void> {
    const { session, config, attempts, changed, log } = this.#options;
    this.#acquiring.add(shard);
    try {
      const info = { owner: config.id, host: hostname(), pid: process.pid };
      const result = await tryAcquire(session, lockPath(shard), info);
      if (isHeld(result)) this.#beginReign(shard, ensemble, result);
    } catch (error) {
      // The node may still be created later. Then a sweep deletes it.
      log.warn({ error, shard }, 'lock not taken');
      attempts.failed(shard, monotonicMs());
    } finally {
      this.#acquiring.delete(shard);
      changed.ring();
    }
  }

  /** Releases the reign over this shard in the background, and then gives the lock back. */
  release(shard: string): void {
    void this.#reigns.get(shard)?.release();
  }

  /** Releases all reigns and keeps their locks: closing the session frees all of them together. */
  async releaseAll(): Promise<void> {
    this.#isReleasingAll = true;
    await Promise.all(this.reigns.map((reign) => reign.release()));
  }

  /** Deletes locks of this session for which no reign runs. Does nothing while a lock is being taken. */
  async sweep(): Promise<void> {
    const { session, changed, log } = this.#options;
    if (this.#isSweeping || this.#acquiring.size > 0 || !session.mayWrite()) return;
    this.#isSweeping = true;
    try {
      const freed = await sweepOwnNodes(session, new Set(this.owned.map(lockPath)));
      if (freed.length > 0) log.warn({ freed }, 'deleted locks of this session for which no reign ran');
    } catch (error) {
      log.debug({ error }, 'sweep not possible now');
    } finally {
      this.#isSweeping = false;
      changed.ring();
    }
  }

  #beginReign(shard: string, ensemble: string, lock: HeldLock): void {
    const { session, config, stores, levels, metrics, recyclingAlarm } = this.#options;
    const log = this.#options.log.child({ shard });
    log.info({ czxid: String(lock.czxid) }, 'lock taken');
    const reign = new Reign({
      shard,
      owner: config.id,
      ensemble,
      lock,
      keysDb: stores.keysDb(shard),
      pools: stores.pools,
      levels,
      batchSize: config.batchSize,
      generation: config.generation,
      surroundings: {
        urlsDbs: stores.urlsDbs,
        keyspace: stores.keyspace,
        quarantineMs: config.stores.quarantineMs,
        reserves: () => readReserves(session, config.admin.token),
      },
      onSearched: (blockedBy) => recyclingAlarm.observe(shard, blockedBy),
      metrics,
      log,
    });
    this.#reigns.set(shard, reign);
    if (this.#isReleasingAll) void reign.release();
    void reign.done.then((end) => this.#onReignOver(reign, lock, end));
  }

  async #onReignOver(reign: Reign, lock: HeldLock, end: ReignEnd): Promise<void> {
    const { attempts, recyclingAlarm, changed, log } = this.#options;
    const { shard } = reign;
    recyclingAlarm.forget(shard);
    if (reign.wasReady) attempts.succeeded(shard);
    if (end !== 'released') attempts.failed(shard, monotonicMs());
    if (!this.#isReleasingAll) {
      // A lock that cannot be deleted now is swept later: from here on no reign runs for it.
      await lock.release().catch((error: unknown) => log.warn({ error, shard }, 'lock not given back yet'));
    }
    this.#reigns.delete(shard);
    changed.ring();
  }
}
