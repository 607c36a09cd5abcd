import { setTimeout as delay } from 'node:timers/promises';
import type { LockHolder } from '../../coordinator/lock-holder.ts';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { REPOSITORY } from '../../scripts/cluster/run-dir.ts';
import { runAudit, type Audit } from '../check/audit.ts';
import type { Limits } from '../goals.ts';
import type { History } from '../load/history.ts';
import type { Load } from '../load/load.ts';
import type { LockWatch } from '../watch/locks.ts';
import type { DrillCluster } from './cluster.ts';
import { QUIET_TIMEOUT_MS, readyReigns, untilQuiet } from './quiet.ts';

/** From when to when a fault lasted, in ms of the history. */
export interface FaultWindow {
  readonly fromMs: number;
  toMs: number;
  /** Slots whose urls server is down then. */
  readonly slotsDown: ReadonlySet<number>;
}

/** A part of a drill, by when it began and how many measurements there were then. */
export interface Part {
  readonly name: string;
  readonly fromMs: number;
  readonly deadBefore: number;
}

/** Keys that a killed mapper took with it, and how many it may have held. */
export interface Stranded {
  readonly keys: number;
  readonly bound: number;
}

export interface TimelineEvent {
  readonly ms: number;
  readonly event: string;
}

export interface StageOptions {
  readonly cluster: DrillCluster;
  readonly history: History;
  readonly load: Load;
  readonly locks: LockWatch;
  readonly random: () => number;
  readonly seconds: number;
  readonly faults: number;
  readonly onEvent: (event: TimelineEvent) => void;
  readonly signal: AbortSignal;
  readonly limits: Limits;
}

const TAKEOVER_TIMEOUT_MS = 30_000;
const TAKEOVER_POLL_MS = 10;

/** Where one drill plays: the cluster under load, its observers, the verbs that faults are made of, and what was measured. */
export class Stage {
  readonly cluster: DrillCluster;
  readonly load: Load;
  readonly locks: LockWatch;
  readonly random: () => number;
  readonly options: StageOptions;
  readonly timeline: TimelineEvent[] = [];
  readonly violations: string[] = [];
  readonly takeoversMs: number[] = [];
  /** From a holder's death to the next holder's lock, by shard and round. */
  readonly deadMs: number[] = [];
  readonly windows: FaultWindow[] = [];
  readonly parts: Part[] = [];
  readonly stranded: Stranded[] = [];
  /** Stores whose data was put back: what they say of reigns may fall. */
  readonly forgiven = new Set<string>();
  /** When everything was healed that had been refused. */
  healedMs: number | undefined;
  readonly #undo = new Map<string, () => Promise<void> | void>();

  constructor(options: StageOptions) {
    this.options = options;
    this.cluster = options.cluster;
    this.load = options.load;
    this.locks = options.locks;
    this.random = options.random;
  }

  /** Milliseconds since the drill began. */
  get nowMs(): number {
    return this.options.history.nowMs;
  }

  get limits(): Limits {
    return this.options.limits;
  }

  event(event: string): void {
    const entry = { ms: Math.round(this.nowMs), event };
    this.timeline.push(entry);
    this.options.history.append({ op: 'event', at: this.nowMs, event });
    this.options.onEvent(entry);
  }

  violation(what: string): void {
    this.violations.push(what);
    this.event(`VIOLATION: ${what}`);
  }

  /** Any one of them, by the drill's own random numbers. */
  pick<T>(from: readonly T[]): T {
    const chosen = from[Math.floor(this.random() * from.length)];
    if (chosen === undefined) throw new RangeError('nothing to choose from');
    return chosen;
  }

  async pause(ms: number): Promise<void> {
    await delay(ms, undefined, { signal: this.options.signal });
  }

  beginPart(name: string): void {
    this.event(`part: ${name}`);
    this.parts.push({ name, fromMs: this.nowMs, deadBefore: this.deadMs.length });
  }

  /** Begins a fault; its window lasts until the function returned is called. */
  beginFault(what: string, slotsDown: readonly number[] = []): () => void {
    this.event(what);
    const window = { fromMs: this.nowMs, toMs: Infinity, slotsDown: new Set(slotsDown) };
    this.windows.push(window);
    return () => {
      window.toMs = Math.min(window.toMs, this.nowMs);
    };
  }

  /** Remembers how to undo a fault, so that an interrupted drill leaves none behind. */
  undoLater(what: string, undo: () => Promise<void> | void): void {
    this.#undo.set(what, undo);
  }

  /** What this store says of reigns may fall from now on: older data was put back into it. */
  forgive(store: string): void {
    this.forgiven.add(store);
  }

  /** From now on the clock runs in which everything must be back. */
  healed(): void {
    this.healedMs = this.nowMs;
  }

  /** Runs the operator's command on this cluster. @throws Error when it fails */
  async keymill(...args: string[]): Promise<void> {
    const env = { ...process.env, KEYMILL_RUN_DIR: this.cluster.runDir.path };
    await promisify(execFile)(join(REPOSITORY, 'scripts', 'keymill'), args, { env });
  }

  /** What the audit says now. @throws Error when there is none to be had */
  async audit(): Promise<Audit> {
    const audit = await runAudit(this.cluster.runDir);
    if (audit === undefined) throw new Error('no audit could be had');
    return audit;
  }

  async undo(what: string): Promise<void> {
    const undo = this.#undo.get(what);
    this.#undo.delete(what);
    await undo?.();
  }

  async undoAll(): Promise<void> {
    for (const what of [...this.#undo.keys()].reverse()) await this.undo(what);
  }

  /** Producers that hold a shard, with what they hold. */
  holdings(): Map<string, string[]> {
    const holdings = new Map<string, string[]>();
    for (const [shard, { owner }] of this.locks.holders()) {
      if (owner !== null) holdings.set(owner, [...(holdings.get(owner) ?? []), shard]);
    }
    return holdings;
  }

  /** What is held now, to compare with later: holders, and the locks they hold by. */
  reignsOf(shards: readonly string[]): Map<string, LockHolder> {
    return new Map([...this.locks.holders()].filter(([shard]) => shards.includes(shard)));
  }

  /** A violation for every shard that has another holder, lock or epoch than before. */
  expectSameReigns(before: ReadonlyMap<string, LockHolder>): void {
    for (const [shard, old] of before) {
      const now = this.locks.holderOf(shard);
      if (now?.czxid !== old.czxid || now.epoch !== old.epoch)
        this.violation(
          `${shard} was ${old.owner}'s in epoch ${old.epoch} and is ${now?.owner ?? 'nobody'}'s in ${now?.epoch ?? 'none'}`,
        );
    }
  }

  /** The same for shards whose holder's session has survived; the others may have moved. */
  expectSameReignsOfSessions(before: ReadonlyMap<string, LockHolder>): void {
    const sessions = new Set([...this.locks.holders().values()].map(({ ephemeralOwner }) => ephemeralOwner));
    const surviving = new Map([...before].filter(([, { ephemeralOwner }]) => sessions.has(ephemeralOwner)));
    this.event(`the sessions behind ${surviving.size} of ${before.size} reigns have survived`);
    this.expectSameReigns(surviving);
  }

  /**
   * Waits until each of these shards has a holder by another lock than `before`, ready to deliver, and measures both from `sinceMs`.
   */
  async takenOver(before: ReadonlyMap<string, LockHolder>, sinceMs: number): Promise<void> {
    await Promise.all(
      [...before].map(async ([shard, old]) => {
        const isNew = (): boolean => {
          const holder = this.locks.holderOf(shard);
          return holder !== undefined && holder.czxid !== old.czxid;
        };
        if (!(await this.#until(isNew, TAKEOVER_POLL_MS))) {
          this.violation(`${shard} was not taken over within ${TAKEOVER_TIMEOUT_MS / 1000} s`);
          return;
        }
        this.deadMs.push(this.nowMs - sinceMs);
        const isReady = async (): Promise<boolean> =>
          (await readyReigns(this.cluster.file, 500)).some(
            (reign) => reign.shard === shard && (reign.epoch ?? 0) > (old.epoch ?? 0),
          );
        if (await this.#until(isReady, 4 * TAKEOVER_POLL_MS)) this.takeoversMs.push(this.nowMs - sinceMs);
        else this.violation(`the new holder of ${shard} did not become ready`);
      }),
    );
  }

  /** Waits until every shard is delivered from, every pool is filled and everybody is ready; a violation when that takes too long. */
  async quiet(timeoutMs = QUIET_TIMEOUT_MS): Promise<void> {
    const trouble = await untilQuiet(() => this.cluster.file, timeoutMs);
    if (trouble.length > 0)
      this.violation(`not quiet ${timeoutMs / 1000} s after healing: ${trouble.join('; ')}`);
  }

  /** Waits until every producer holds a shard: the last hand-over after a restart is past. */
  async balanced(): Promise<void> {
    const { producers } = this.cluster.file;
    const wanted = Math.min(producers.length, this.cluster.shards.length);
    if (!(await this.#until(() => this.holdings().size >= wanted, TAKEOVER_POLL_MS)))
      this.violation(`only ${this.holdings().size} of ${producers.length} producers hold a shard`);
  }

  async #until(condition: () => Promise<boolean> | boolean, everyMs: number): Promise<boolean> {
    const deadline = performance.now() + TAKEOVER_TIMEOUT_MS;
    while (!(await condition())) {
      if (performance.now() > deadline) return false;
      await this.pause(everyMs);
    }
    return true;
  }
}
