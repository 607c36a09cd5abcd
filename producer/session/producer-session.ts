import { hostname } from 'node:os';
import { assign } from '../../coordinator/assignment.ts';
import { isHeld, tryAcquire, type HeldLock } from '../../coordinator/lock.ts';
import type { LockHolder } from '../../coordinator/lock-holder.ts';
import { sweepOwnNodes, watchLocks } from '../../coordinator/lock-view.ts';
import { watchMembers } from '../../coordinator/membership.ts';
import { lockPath, PATHS } from '../../coordinator/paths.ts';
import type { Session } from '../../coordinator/session.ts';
import type { ProducerConfig } from '../../runtime/config/config.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import { ProducerMembership } from './producer-membership.ts';
import { Attempts } from './attempts.ts';
import { asksOf, canAnotherReach, type BalanceView } from './balance.ts';
import { CapacityAlarm } from './capacity-alarm.ts';
import { contend, longWaitMs } from './contend.ts';
import { HandOvers } from './hand-over.ts';
import type { PoolLevels } from '../pools/levels.ts';
import { parseProducerMember, type MemberView } from './member.ts';
import type { ProducerMetrics } from '../metrics.ts';
import type { Reachability } from '../reachability.ts';
import { sumOf, type RecycleResult } from '../reign/recycle.ts';
import { readReserves } from './reserves.ts';
import { Reign, type ReignEnd } from '../reign/reign.ts';
import type { ProducerStores } from '../stores.ts';

export interface ProducerSessionOptions {
  readonly session: Session;
  /** Of the ZooKeeper this session is with: only its keys-dbs are contended for. */
  readonly ensemble: string;
  readonly config: ProducerConfig;
  readonly stores: ProducerStores;
  readonly levels: PoolLevels;
  readonly reachability: Reachability;
  readonly metrics: ProducerMetrics;
  readonly adminUrl: string;
  readonly supervisorPid: number | null;
  readonly log: Log;
}

/** How long watermarks may be outdated in the member data. */
const PUBLISH_EVERY_MS = 1_000;

/**
 * What a worker does during one ZooKeeper session: is a member, contends for shards, reigns over those it gets, asks for
 * what it lacks and gives back what it has too much of. Everything it knows of others comes from watches; every change
 * leads to one look at the whole ({@link ProducerSession.#look}), which also says when to look again.
 */
export class ProducerSession {
  readonly #options: ProducerSessionOptions;
  readonly #log: Log;
  readonly #shards: readonly string[];
  readonly #watches: Disposable[] = [];
  readonly #reigns = new Map<string, Reign>();
  readonly #acquiring = new Set<string>();
  readonly #attempts: Attempts;
  readonly #handOvers: HandOvers;
  readonly #membership: ProducerMembership;
  readonly #alarm: CapacityAlarm;
  #locks: ReadonlyMap<string, LockHolder> | undefined;
  #members: ReadonlyMap<string, MemberView> | undefined;
  #asks: string[] = [];
  #capacity: number;
  #releasing = false;
  #sweeping = false;
  #nextLook: NodeJS.Timeout | undefined;

  /** Announces the member at once; nothing is contended for before {@link ProducerSession.begin}. */
  constructor(options: ProducerSessionOptions, drained: boolean) {
    const { session, config, levels, supervisorPid, adminUrl: admin } = options;
    this.#options = options;
    this.#log = options.log;
    this.#shards = config.stores.keysDbs.map(({ name }) => name);
    this.#capacity = drained ? 0 : config.capacity;
    this.#attempts = new Attempts(session.timeoutMs / 8);
    this.#handOvers = new HandOvers(session.timeoutMs, monotonicMs(), options.log);
    this.#alarm = new CapacityAlarm(options.metrics, options.log);
    this.#membership = new ProducerMembership(session, this.#self(), levels, {
      pid: process.pid,
      supervisorPid,
      admin,
    });
  }

  get reigns(): readonly Reign[] {
    return [...this.#reigns.values()];
  }

  /** Starts; everything further happens in answer to watches and timers, until {@link ProducerSession.release} or the session's end. */
  begin(): void {
    const { session, reachability } = this.#options;
    this.#watches.push(
      watchLocks(session, (locks) => {
        this.#locks = locks;
        this.#lookSoon(0);
      }),
      watchMembers(session, PATHS.producers, parseProducerMember, (members) => {
        this.#members = members;
        this.#lookSoon(0);
      }),
      reachability.observe(() => this.#lookSoon(0)),
    );
    const every = setInterval(() => void this.#housekeep(), Math.min(PUBLISH_EVERY_MS, session.timeoutMs));
    const offAttached = session.on('attached', () => void this.#housekeep());
    const stop = (): void => {
      clearInterval(every);
      clearTimeout(this.#nextLook);
      offAttached();
      for (const watch of this.#watches) watch[Symbol.dispose]();
    };
    session.ended.addEventListener('abort', stop, { once: true });
    if (session.ended.aborted) stop();
  }

  /** Takes nothing more and gives everything back; `drained` false undoes it. */
  drain(drained: boolean): void {
    this.#capacity = drained ? 0 : this.#options.config.capacity;
    this.#lookSoon(0);
  }

  /** Has every reign that is ready search for leaked keys. */
  async recycle(): Promise<RecycleResult> {
    const ready = this.reigns.filter((reign) => reign.ready);
    return sumOf(await Promise.all(ready.map((reign) => reign.recycle())));
  }

  /** Finishes deliveries (bounded) and ends all reigns, their locks still standing: closing the session frees them all at once. */
  async release(): Promise<void> {
    this.#releasing = true;
    await Promise.all(this.reigns.map((reign) => reign.release()));
  }

  #lookSoon(inMs: number): void {
    if (this.#releasing || this.#options.session.ended.aborted) return;
    clearTimeout(this.#nextLook);
    this.#nextLook = setTimeout(() => this.#look(), inMs);
  }

  /** One look at the whole: what to take, what to ask for, what to give back, when to look again. */
  #look(): void {
    const { session, levels, reachability, ensemble } = this.#options;
    const locks = this.#locks;
    if (this.#releasing || this.#sweeping || !locks || !this.#members || !session.mayWrite()) return;
    const nowMs = monotonicMs();
    const isTaken = (shard: string): boolean => locks.has(shard) || this.#reigns.has(shard);
    levels.observeHeldShards(this.#shards.filter(isTaken).length);

    const members = this.#allMembers(locks);
    const usable = this.#shards.filter((shard) => reachability.isUsable(shard, ensemble));
    const assigned = assign(members, usable);
    const owners = new Map([...locks].map(([shard, { owner }]) => [shard, owner]));
    this.#alarm.observe(members, this.#shards.length);
    this.#giveBack({ self: this.#self(), members, assigned, owners }, nowMs);

    const free = usable.filter((shard) => !isTaken(shard) && !this.#acquiring.has(shard));
    const self = this.#self();
    const { take, againInMs } = contend({
      self,
      members,
      free: this.#attempts.observeFree(free, nowMs),
      shards: this.#shards.length,
      holds: self.owned.length,
      assigned,
      sessionTimeoutMs: session.timeoutMs,
    });
    for (const shard of take) void this.#acquire(shard);

    this.#asks = asksOf({ self: this.#self(), members, assigned, owners });
    this.#membership.update(this.#announced());
    this.#lookSoon(Math.max(1, Math.min(againInMs ?? Infinity, session.timeoutMs / 4)));
  }

  async #acquire(shard: string): Promise<void> {
    const { session, config } = this.#options;
    this.#acquiring.add(shard);
    try {
      const info = { owner: config.id, host: hostname(), pid: process.pid };
      const result = await tryAcquire(session, lockPath(shard), info);
      if (isHeld(result)) this.#reign(shard, result);
    } catch (error) {
      // Nothing is concluded from it: a node that landed all the same is swept.
      this.#log.warn({ error, shard }, 'lock not taken');
      this.#attempts.failed(shard, monotonicMs());
    } finally {
      this.#acquiring.delete(shard);
      this.#lookSoon(0);
    }
  }

  #reign(shard: string, lock: HeldLock): void {
    const { session, config, ensemble, stores, levels, metrics } = this.#options;
    const keysDb = stores.keysDb(shard);
    const log = this.#log.child({ shard });
    log.info({ czxid: String(lock.czxid) }, 'lock taken');
    const { batchSize, generation, id: owner } = config;
    const { pools, urlsDbs, keyspace } = stores;
    const { quarantineMs } = config.stores;
    const surroundings = { urlsDbs, keyspace, quarantineMs, reserves: () => readReserves(session) };
    const reign = new Reign({
      shard,
      owner,
      ensemble,
      lock,
      keysDb,
      pools,
      levels,
      batchSize,
      generation,
      surroundings,
      metrics,
      log,
    });
    this.#reigns.set(shard, reign);
    if (this.#releasing) void reign.release();
    void reign.done.then((end) => this.#onReignOver(reign, lock, end));
  }

  async #onReignOver(reign: Reign, lock: HeldLock, end: ReignEnd): Promise<void> {
    const { shard } = reign;
    if (reign.wasReady) this.#attempts.succeeded(shard);
    if (end !== 'released') this.#attempts.failed(shard, monotonicMs());
    if (!this.#releasing) {
      // What cannot be deleted now is swept later: from here on it is nobody's.
      await lock
        .release()
        .catch((error: unknown) => this.#log.warn({ error, shard }, 'lock not given back yet'));
    }
    this.#reigns.delete(shard);
    this.#lookSoon(0);
  }

  /** What this producer has too much of, what it must not write to, and what it cannot reach though another can. */
  #giveBack(view: BalanceView, nowMs: number): void {
    const settled = this.#handOvers.settle(view, nowMs);
    if (settled !== undefined) this.#attempts.unblock(settled);
    this.#handOvers.observe(view.members, nowMs);
    for (const reign of this.reigns) {
      const { shard } = reign;
      const isWrong = this.#options.reachability.get(shard)?.mismatch !== undefined;
      if (this.#capacity === 0 || isWrong || this.#isBlindFor(shard, view, nowMs)) void reign.release();
    }
    const begun = this.#handOvers.begin({ ...view, self: this.#announced() }, nowMs);
    if (!begun) return;
    this.#attempts.block(begun.shard, begun.untilMs);
    void this.#reigns.get(begun.shard)?.release();
  }

  /** Its keys-db has not answered for three session timeouts, and there is one with room who reaches it. */
  #isBlindFor(shard: string, view: BalanceView, nowMs: number): boolean {
    const { session, reachability } = this.#options;
    const sight = reachability.get(shard);
    const isBlind = sight?.reachable === false && nowMs - sight.sinceMs >= longWaitMs(session.timeoutMs);
    return isBlind && canAnotherReach(view, shard);
  }

  /** Members as they announce themselves, but owning what the locks say: those are never behind. */
  #allMembers(locks: ReadonlyMap<string, LockHolder>): (MemberView & { owned: string[] })[] {
    const others = [...(this.#members ?? [])].filter(([id]) => id !== this.#options.config.id);
    return [
      this.#self(),
      ...others.map(([id, member]) => ({
        ...member,
        id,
        owned: [...locks].filter(([, holder]) => holder.owner === id).map(([shard]) => shard),
      })),
    ];
  }

  /** As this producer counts itself: what it is acquiring is as good as owned. */
  #self(): MemberView & { owned: string[] } {
    const owned = [...new Set([...this.#reigns.keys(), ...this.#acquiring])];
    const { unreachable } = this.#options.reachability;
    return { id: this.#options.config.id, capacity: this.#capacity, owned, asks: this.#asks, unreachable };
  }

  /** As others may count it. */
  #announced(): MemberView {
    return { ...this.#self(), owned: [...this.#reigns.keys()].sort() };
  }

  /** Shows changed watermarks, looks again, and deletes locks of ours for which no reign runs. */
  async #housekeep(): Promise<void> {
    this.#membership.updateWatermarks(this.#announced());
    if (this.#sweeping || this.#acquiring.size > 0 || !this.#options.session.mayWrite()) return;
    this.#sweeping = true;
    try {
      const held = new Set([...this.#reigns.keys()].map((shard) => lockPath(shard)));
      const freed = await sweepOwnNodes(this.#options.session, held);
      if (freed.length > 0) this.#log.warn({ freed }, 'deleted locks of this session for which no reign ran');
    } catch (error) {
      this.#log.debug({ error }, 'sweep not possible now');
    } finally {
      this.#sweeping = false;
      this.#lookSoon(0);
    }
  }
}
