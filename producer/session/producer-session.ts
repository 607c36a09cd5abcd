import { assign } from '../../coordinator/assignment.ts';
import type { Session } from '../../coordinator/session.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import type { ProducerConfig } from '../../runtime/config/config.ts';
import { messageOf } from '../../runtime/errors.ts';
import type { Log } from '../../runtime/log.ts';
import { Bell } from '../bell.ts';
import type { ProducerMetrics } from '../metrics.ts';
import type { PoolLevels } from '../pools/levels.ts';
import type { Reachability } from '../reachability.ts';
import { sumOf, type RecycleResult } from '../reign/recycle.ts';
import type { Reign } from '../reign/reign.ts';
import type { ProducerStores } from '../stores.ts';
import { Attempts } from './attempts.ts';
import { asksOf, canAnotherReach, type BalanceView } from './balance.ts';
import { CapacityAlarm } from './capacity-alarm.ts';
import { ClusterView, type OnLocks } from './cluster-view.ts';
import { contend, longWaitMs } from './contend.ts';
import { HandOvers } from './hand-over.ts';
import { EnsembleWatch, type EnsembleView } from './ensemble-watch.ts';
import { HeldShards } from './held-shards.ts';
import type { AnnouncedMember, MemberView } from '../../coordinator/overview/producer-member.ts';
import { ProducerMembership } from './producer-membership.ts';
import type { RecyclingAlarm } from './recycling-alarm.ts';
import type { RefusalAlarm } from './refusal-alarm.ts';
import { idleReasons, messageOfRefusal, PASSES_SOON, refusalOf, type RefusalReason } from './refusal.ts';

/** They outlive a session, so that a new session does not report again what was reported. */
export interface ProducerAlarms {
  readonly refusals: RefusalAlarm;
  readonly recycling: RecyclingAlarm;
}

export interface ProducerSessionOptions {
  readonly session: Session;
  readonly config: ProducerConfig;
  readonly stores: ProducerStores;
  readonly levels: PoolLevels;
  readonly reachability: Reachability;
  readonly metrics: ProducerMetrics;
  readonly alarms: ProducerAlarms;
  readonly adminUrl: string;
  readonly supervisorPid: number | null;
  /** Gets the locks of all shards whenever they were read. */
  readonly onLocks?: OnLocks;
  readonly log: Log;
}

/** The watermarks in the member data may be this old. */
const PUBLISH_EVERY_MS = 1_000;

/**
 * The work of a worker during one ZooKeeper session: it is a member, contends for free shards, reigns over
 * those that it gets, asks for shards when it has too few, and gives shards back when it has too many.
 *
 * Every change of the locks, the members or the keys-dbs rings a bell, and each ring leads to one look at
 * everything ({@link ProducerSession.#look}), which decides what to do and when to look again.
 */
export class ProducerSession {
  readonly #options: ProducerSessionOptions;
  readonly #shards: readonly string[];
  readonly #changed = new Bell();
  readonly #attempts: Attempts;
  readonly #held: HeldShards;
  readonly #handOvers: HandOvers;
  readonly #membership: ProducerMembership;
  readonly #alarm: CapacityAlarm;
  #asks: string[] = [];
  #refusals: ReadonlyMap<string, RefusalReason>;
  #free: readonly string[];
  /** Assumed false until the mark was read. Nothing is taken before that. */
  #isDrained = false;
  #isReleasing = false;

  /** Announces the member immediately; contends for nothing before {@link ProducerSession.run}. */
  constructor(options: ProducerSessionOptions) {
    const { session, config, levels, supervisorPid, adminUrl: admin, log } = options;
    this.#options = options;
    this.#shards = config.stores.keysDbs.map(({ name }) => name);
    this.#free = this.#shards;
    this.#refusals = this.#refuse(undefined);
    this.#attempts = new Attempts(session.timeoutMs / 8);
    this.#held = new HeldShards({
      ...options,
      attempts: this.#attempts,
      recyclingAlarm: options.alarms.recycling,
      changed: this.#changed,
    });
    this.#handOvers = new HandOvers(session.timeoutMs, monotonicMs(), log);
    this.#alarm = new CapacityAlarm(options.metrics, log);
    const fixed = { pid: process.pid, supervisorPid, admin };
    this.#membership = new ProducerMembership(session, this.#announced(), levels, fixed);
  }

  /** Whether it holds no shard because an operator has drained this producer. */
  get isDrained(): boolean {
    return this.#isDrained;
  }

  get reigns(): readonly Reign[] {
    return this.#held.reigns;
  }

  /** See {@link idleReasons}, as of the last look. */
  get idle(): Readonly<Record<string, string>> | undefined {
    return idleReasons({
      capacity: this.#self().capacity,
      reigns: this.reigns,
      free: this.#free,
      refusals: this.#refusals,
      describe: this.#describe,
      failures: (shard) => this.#attempts.failuresOf(shard),
    });
  }

  /** Why this producer does not contend for a shard even when it is free: by shard, as of the last look. */
  get refused(): Readonly<Record<string, string>> {
    const lasting = [...this.#refusals].filter(([, reason]) => !PASSES_SOON.has(reason));
    return Object.fromEntries(lasting.map(([shard, reason]) => [shard, this.#describe(shard, reason)]));
  }

  readonly #describe = (shard: string, reason: RefusalReason): string => {
    const mismatch = this.#options.reachability.get(shard)?.mismatch;
    return reason === 'mismatch' && mismatch !== undefined ? messageOf(mismatch) : messageOfRefusal(reason);
  };

  /** Contends and reigns until the session has ended. */
  async run(): Promise<void> {
    const { session, config, reachability, onLocks } = this.#options;
    using stack = new DisposableStack();
    const view = stack.use(new ClusterView(session, config.id, this.#changed, onLocks));
    const ensemble = stack.use(new EnsembleWatch(session, reachability, this.#changed));
    stack.use(reachability.observe(() => this.#changed.ring()));
    stack.defer(session.on('attached', () => this.#housekeep()));
    const every = setInterval(() => this.#housekeep(), Math.min(PUBLISH_EVERY_MS, session.timeoutMs));
    stack.defer(() => clearInterval(every));
    while (!session.ended.aborted) {
      const againInMs = this.#look(view, ensemble.view) ?? Infinity;
      await this.#changed.wait(Math.max(1, Math.min(againInMs, session.timeoutMs / 4)), session.ended);
    }
  }

  /** Lets every ready reign search for leaked keys. */
  async recycle(): Promise<RecycleResult> {
    const ready = this.reigns.filter((reign) => reign.isReady);
    return sumOf(await Promise.all(ready.map((reign) => reign.recycle())));
  }

  /** Releases all reigns and takes no shard. The locks stay: closing the session frees them together. */
  async release(): Promise<void> {
    this.#isReleasing = true;
    await this.#held.releaseAll();
  }

  /** Publishes changed watermarks, and deletes locks of ours for which no reign runs. */
  #housekeep(): void {
    this.#membership.updateWatermarks(this.#announced());
    void this.#held.sweep();
  }

  /**
   * One look at everything: what to give back, what to take, what to ask for.
   *
   * @returns the time until another shard may be taken if nothing else changes, in ms; undefined if there is
   *   none, or when the session cannot act now
   */
  #look(view: ClusterView, ensemble: EnsembleView | undefined): number | undefined {
    const { session, levels, alarms } = this.#options;
    this.#observeDrain(view.isDrained);
    const cluster = view.read(this.#self());
    if (!cluster || this.#isReleasing || this.#held.isSweeping || !session.mayWrite()) return undefined;
    const nowMs = monotonicMs();
    const taken = new Set([...cluster.owners.keys(), ...this.#held.owned]);
    levels.observeHeldShards(this.#shards.filter((shard) => taken.has(shard)).length);
    this.#alarm.observe(cluster.members, this.#shards.length);

    this.#refusals = this.#refuse(ensemble);
    alarms.refusals.observe(this.#refusals);
    const usable = this.#shards.filter((shard) => !this.#refusals.has(shard));
    const assigned = assign(cluster.members, usable);
    this.#giveBack({ ...cluster, assigned, self: this.#self() }, nowMs);
    this.#free = this.#shards.filter((shard) => !taken.has(shard));
    const againInMs = this.#take(ensemble?.id, { ...cluster, assigned, self: this.#self() }, nowMs);
    this.#asks = asksOf({ ...cluster, assigned, self: this.#self() });
    this.#membership.update(this.#announced());
    return againInMs;
  }

  #refuse(ensemble: EnsembleView | undefined): ReadonlyMap<string, RefusalReason> {
    const { reachability } = this.#options;
    return new Map(
      this.#shards.flatMap((shard) => {
        const reason = refusalOf(shard, reachability.get(shard), ensemble);
        return reason === undefined ? [] : [[shard, reason] as const];
      }),
    );
  }

  /** @param ensemble only undefined if every shard is refused */
  #take(
    ensemble: string | undefined,
    { self, members, assigned }: BalanceView,
    nowMs: number,
  ): number | undefined {
    if (ensemble === undefined) return undefined;
    const notBeingTaken = this.#free.filter(
      (shard) => !this.#refusals.has(shard) && !self.owned.includes(shard),
    );
    const { take, againInMs } = contend({
      self,
      members,
      free: this.#attempts.observeFree(notBeingTaken, nowMs),
      shards: this.#shards.length,
      holds: self.owned.length,
      assigned,
      sessionTimeoutMs: this.#options.session.timeoutMs,
    });
    for (const shard of take) void this.#held.acquire(shard, ensemble);
    return againInMs;
  }

  /**
   * Releases the shards that this producer must not write to, those of another ensemble than the one that
   * gave the lock, those that only another producer reaches, all of them while it is drained, and one surplus
   * shard at a time that its heir asks for.
   */
  #giveBack(view: BalanceView, nowMs: number): void {
    const finished = this.#handOvers.finish(view, nowMs);
    if (finished !== undefined) this.#attempts.unblock(finished);
    this.#handOvers.observe(view.members, nowMs);
    for (const { shard, ensemble } of this.#held.reigns) {
      const sight = this.#options.reachability.get(shard);
      const isMismatched = sight?.mismatch !== undefined;
      // The adoption has raised the epoch, so the keys-db refuses this reign, and a new one can begin.
      const isAdopted = sight?.ensemble !== undefined && sight.ensemble !== ensemble;
      if (this.#isDrained || isMismatched || isAdopted || this.#isBetterElsewhere(shard, view, nowMs))
        this.#held.release(shard);
    }
    const begun = this.#handOvers.begin({ ...view, self: this.#announced() }, nowMs);
    if (!begun) return;
    this.#attempts.block(begun.shard, begun.untilMs);
    this.#held.release(begun.shard);
  }

  #observeDrain(isDrained: boolean | undefined): void {
    if (isDrained === undefined || isDrained === this.#isDrained) return;
    this.#isDrained = isDrained;
    this.#options.log.info(
      { drained: isDrained },
      isDrained ? 'drained: gives all shards back' : 'undrained',
    );
  }

  /** Whether its keys-db has not answered for a long time, and another producer with room reaches it. */
  #isBetterElsewhere(shard: string, view: BalanceView, nowMs: number): boolean {
    const { session, reachability } = this.#options;
    const sight = reachability.get(shard);
    const isSilent = sight?.isReachable === false && nowMs - sight.sinceMs >= longWaitMs(session.timeoutMs);
    return isSilent && canAnotherReach(view, shard);
  }

  /** This producer in its own decisions: a shard whose lock it is taking counts as owned. */
  #self(): MemberView {
    const { config, reachability } = this.#options;
    const { unreachable } = reachability;
    return {
      id: config.id,
      capacity: this.#isDrained ? 0 : config.capacity,
      owned: this.#held.claimed,
      asks: this.#asks,
      unreachable,
    };
  }

  /** This producer in its member node: it owns only the shards whose lock it holds. */
  #announced(): AnnouncedMember {
    return {
      ...this.#self(),
      owned: this.#held.owned.sort(),
      refused: this.refused,
      recyclingBlocked: this.#options.alarms.recycling.blockedBy,
    };
  }
}
