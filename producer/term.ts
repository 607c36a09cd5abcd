import { hostname } from 'node:os';
import { assign } from '../coordinator/assignment.ts';
import { isHeld, tryAcquire, type HeldLock } from '../coordinator/lock.ts';
import type { LockHolder } from '../coordinator/lock-holder.ts';
import { sweepOwnNodes, watchLocks } from '../coordinator/lock-view.ts';
import { join, watchMembers, type Membership } from '../coordinator/membership.ts';
import { lockPath, PATHS, producerPath } from '../coordinator/paths.ts';
import type { Session } from '../coordinator/session.ts';
import type { ProducerConfig } from '../runtime/config/config.ts';
import { isoNow, monotonicMs } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { asksOf, giveBackOf, HandOverPace } from './balance.ts';
import { contend, type FreeShard } from './contend.ts';
import type { PoolLevels } from './levels.ts';
import { parseMember, type Member, type MemberView } from './member.ts';
import type { ProducerMetrics } from './metrics.ts';
import type { Reachability } from './reachability.ts';
import type { RecycleResult } from './recycle.ts';
import { readReserves } from './reserves.ts';
import { Reign, type ReignEnd } from './reign.ts';
import type { Stores } from './stores.ts';

export interface TermOptions {
  readonly session: Session;
  /** Of the ZooKeeper this session is with: only its keys-dbs are contended for. */
  readonly ensemble: string;
  readonly config: ProducerConfig;
  readonly stores: Stores;
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
 * leads to one look at the whole ({@link Term.#look}), which also says when to look again.
 */
export class Term {
  readonly #options: TermOptions;
  readonly #log: Log;
  readonly #shards: readonly string[];
  readonly #since = isoNow();
  readonly #watches: Disposable[] = [];
  readonly #reigns = new Map<string, Reign>();
  readonly #acquiring = new Set<string>();
  readonly #freeSinceMs = new Map<string, number>();
  readonly #blockedUntilMs = new Map<string, number>();
  readonly #failures = new Map<string, number>();
  readonly #pace: HandOverPace;
  #membership: Membership | undefined;
  #locks: ReadonlyMap<string, LockHolder> | undefined;
  #members: ReadonlyMap<string, MemberView> | undefined;
  #asks: string[] = [];
  #handOver: { readonly shard: string; readonly heir: string; readonly untilMs: number } | undefined;
  #capacity: number;
  #pools: Pick<Member, 'low' | 'high'>;
  #published = '';
  #shortage = 0;
  #releasing = false;
  #sweeping = false;
  #nextLook: NodeJS.Timeout | undefined;

  constructor(options: TermOptions, drained: boolean) {
    this.#options = options;
    this.#log = options.log;
    this.#shards = options.config.stores.keysDbs.map(({ name }) => name);
    this.#capacity = drained ? 0 : options.config.capacity;
    this.#pools = this.#readPools();
    this.#pace = new HandOverPace(options.session.timeoutMs, monotonicMs());
  }

  get reigns(): readonly Reign[] {
    return [...this.#reigns.values()];
  }

  /** Starts; everything further happens in answer to watches and timers, until {@link Term.release} or the session's end. */
  begin(): void {
    const { session, reachability, config } = this.#options;
    this.#membership = join(session, producerPath(config.id), this.#memberData(this.#pools));
    this.#watches.push(
      watchLocks(session, (locks) => {
        this.#locks = locks;
        this.#lookSoon(0);
      }),
      watchMembers(session, PATHS.producers, parseMember, (members) => {
        this.#members = members;
        this.#lookSoon(0);
      }),
    );
    const every = setInterval(() => void this.#housekeep(), Math.min(PUBLISH_EVERY_MS, session.timeoutMs));
    const offAttached = session.on('attached', () => void this.#housekeep());
    reachability.onChange = () => this.#lookSoon(0);
    session.ended.addEventListener('abort', () => {
      clearInterval(every);
      clearTimeout(this.#nextLook);
      offAttached();
      for (const watch of this.#watches) watch[Symbol.dispose]();
    });
  }

  /** Takes nothing more and gives everything back; `drained` false undoes it. */
  drain(drained: boolean): void {
    this.#capacity = drained ? 0 : this.#options.config.capacity;
    this.#lookSoon(0);
  }

  /** Has every reign that is ready search for leaked keys. */
  async recycle(): Promise<RecycleResult> {
    const ready = this.reigns.filter((reign) => reign.ready);
    const results = await Promise.all(ready.map((reign) => reign.recycle()));
    return {
      recycled: results.reduce((sum, { recycled }) => sum + recycled, 0),
      missing: results.reduce((sum, { missing }) => sum + missing, 0),
      unreachable: [...new Set(results.flatMap(({ unreachable }) => unreachable))],
    };
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
    const { session, levels } = this.#options;
    const locks = this.#locks;
    if (this.#releasing || this.#sweeping || !locks || !this.#members || !session.mayWrite()) return;
    const nowMs = monotonicMs();
    const held = this.#shards.filter((shard) => locks.has(shard) || this.#reigns.has(shard));
    levels.heldShards = held.length;

    const members = this.#allMembers(locks);
    const self = this.#self();
    const assigned = assign(members, this.#usableShards());
    this.#pace.observe(members, nowMs);
    this.#settleHandOver(locks, nowMs);
    this.#raiseAlarm(members);

    const { take, againInMs } = contend({
      self,
      members,
      free: this.#freeShards(locks, nowMs),
      shards: this.#shards.length,
      holds: self.owned.length,
      assigned,
      sessionTimeoutMs: session.timeoutMs,
    });
    for (const shard of take) void this.#acquire(shard);

    const owners = new Map([...locks].map(([shard, { owner }]) => [shard, owner]));
    this.#asks = asksOf({ self: this.#self(), members, assigned, owners });
    this.#giveBack({ self: this.#self(), members, assigned, owners }, nowMs);
    this.#publish(this.#pools);
    this.#lookSoon(Math.max(1, Math.min(againInMs ?? Infinity, session.timeoutMs / 4)));
  }

  #freeShards(locks: ReadonlyMap<string, LockHolder>, nowMs: number): FreeShard[] {
    const free: FreeShard[] = [];
    for (const shard of this.#shards) {
      if (locks.has(shard) || this.#reigns.has(shard) || this.#acquiring.has(shard))
        this.#freeSinceMs.delete(shard);
      else if (this.#isUsable(shard)) {
        const sinceMs = this.#freeSinceMs.get(shard) ?? nowMs;
        this.#freeSinceMs.set(shard, sinceMs);
        const blockedForMs = Math.max(0, (this.#blockedUntilMs.get(shard) ?? 0) - nowMs);
        free.push({ shard, freeForMs: nowMs - sinceMs, blockedForMs });
      }
    }
    return free;
  }

  #usableShards(): string[] {
    return this.#shards.filter((shard) => this.#isUsable(shard));
  }

  /** Its keys-db has been asked once, is the configured one, and belongs to this ensemble. */
  #isUsable(shard: string): boolean {
    const sight = this.#options.reachability.get(shard);
    if (!sight || sight.reachable === undefined || sight.mismatch !== undefined) return false;
    return sight.ensemble === undefined || sight.ensemble === this.#options.ensemble;
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
      this.#block(shard);
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
    if (end !== 'released') this.#block(shard);
    else this.#failures.delete(shard);
    if (!this.#releasing) {
      // What cannot be deleted now is swept later: from here on it is nobody's.
      await lock
        .release()
        .catch((error: unknown) => this.#log.warn({ error, shard }, 'lock not given back yet'));
    }
    this.#reigns.delete(shard);
    this.#lookSoon(0);
  }

  /** After a failure: not again before a pause, doubled with each one in a row. */
  #block(shard: string): void {
    const failures = this.#failures.get(shard) ?? 0;
    this.#failures.set(shard, failures + 1);
    const pauseMs = (this.#options.session.timeoutMs / 8) * 2 ** Math.min(failures, 6);
    this.#blockedUntilMs.set(shard, monotonicMs() + pauseMs * (0.5 + Math.random() / 2));
  }

  #giveBack(view: Parameters<typeof giveBackOf>[0], nowMs: number): void {
    const { session, reachability } = this.#options;
    for (const reign of this.reigns) {
      const sight = reachability.get(reign.shard);
      const blindMs = sight?.reachable === false ? nowMs - sight.sinceMs : 0;
      const tooMany = this.#capacity === 0;
      if (tooMany || (blindMs >= 3 * session.timeoutMs && canOthersReach(reign.shard, view)))
        void reign.release();
    }
    if (this.#handOver || !this.#pace.mayGiveBack(nowMs)) return;
    const shard = giveBackOf(view);
    if (shard === undefined) return;
    const untilMs = nowMs + 3 * session.timeoutMs;
    this.#handOver = { shard, heir: view.assigned.get(shard) ?? '', untilMs };
    this.#blockedUntilMs.set(shard, untilMs);
    this.#log.info(this.#handOver, 'giving a shard back to the one that asks for it');
    void this.#reigns.get(shard)?.release();
  }

  #settleHandOver(locks: ReadonlyMap<string, LockHolder>, nowMs: number): void {
    const handOver = this.#handOver;
    if (!handOver || this.#reigns.has(handOver.shard)) return;
    const holder = locks.get(handOver.shard);
    const taken = holder !== undefined && holder.owner !== this.#options.config.id;
    if (!taken && nowMs < handOver.untilMs) return;
    if (taken) this.#pace.succeeded();
    else {
      this.#pace.failed(nowMs);
      this.#log.warn(handOver, 'a shard given back was not taken');
    }
    this.#blockedUntilMs.delete(handOver.shard);
    this.#handOver = undefined;
  }

  /** Capacity is a hard limit: shards beyond it stay without a holder until somebody adds producers. */
  #raiseAlarm(members: readonly MemberView[]): void {
    const capacity = members.reduce((sum, member) => sum + member.capacity, 0);
    const shortage = Math.max(0, this.#shards.length - capacity);
    this.#options.metrics.capacityShortage.set(shortage);
    if (shortage > 0 && shortage !== this.#shortage) {
      this.#log.error(
        { shortage, capacity },
        'more shards than the producers may hold: start another, or raise KEYMILL_PRODUCER_CAPACITY',
      );
    }
    this.#shortage = shortage;
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

  #self(): MemberView & { owned: string[] } {
    const owned = [...new Set([...this.#reigns.keys(), ...this.#acquiring])];
    const { unreachable } = this.#options.reachability;
    return { id: this.#options.config.id, capacity: this.#capacity, owned, asks: this.#asks, unreachable };
  }

  /** Writes the member data if it has changed. Watermarks move all the time: they are read once a second. */
  #publish(pools: Pick<Member, 'low' | 'high'>): void {
    this.#pools = pools;
    const data = this.#memberData(pools);
    const text = JSON.stringify(data);
    if (text === this.#published) return;
    this.#published = text;
    this.#membership?.update(data);
  }

  #memberData(pools: Pick<Member, 'low' | 'high'>): Member {
    const { adminUrl, supervisorPid } = this.#options;
    return {
      ...this.#self(),
      owned: [...this.#reigns.keys()].sort(),
      pid: process.pid,
      supervisorPid,
      host: hostname(),
      admin: adminUrl,
      ...pools,
      since: this.#since,
    };
  }

  #readPools(): Pick<Member, 'low' | 'high'> {
    const pools = this.#options.levels.all();
    return {
      low: Object.fromEntries(pools.map(({ name, low }) => [name, low])),
      high: Object.fromEntries(pools.map(({ name, high }) => [name, high])),
    };
  }

  /** Shows changed watermarks, looks again, and deletes locks of ours for which no reign runs. */
  async #housekeep(): Promise<void> {
    this.#publish(this.#readPools());
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

function canOthersReach(shard: string, { self, members }: Parameters<typeof giveBackOf>[0]): boolean {
  return members.some(
    (member) =>
      member.id !== self.id && !member.unreachable.includes(shard) && member.owned.length < member.capacity,
  );
}
