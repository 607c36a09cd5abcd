import { setTimeout as delay } from 'node:timers/promises';
import type { DrillCluster } from '../cluster/drill-cluster.ts';
import type { Limits } from '../cluster/limits.ts';
import { QUIESCE_TIMEOUT_MS, untilQuiesced } from '../cluster/quiesce.ts';
import type { History } from '../history/history.ts';
import type { Measurements } from '../history/measurements.ts';
import type { Load } from '../load/load.ts';
import type { LockWatch } from '../watch/locks.ts';
import { ReignMeter } from './reigns.ts';

export interface DrillRunOptions {
  readonly cluster: DrillCluster;
  readonly limits: Limits;
  readonly load: Load;
  readonly locks: LockWatch;
  readonly history: History;
  readonly measurements: Measurements;
  readonly random: () => number;
  /** How long chaos lasts, and how many faults it injects. */
  readonly seconds: number;
  readonly faults: number;
  /** Rests are short: for a look at what must never happen, not for figures. */
  readonly isBrief: boolean;
  readonly signal: AbortSignal;
}

/** Of a rest, in a brief run. */
const BRIEF_SHARE = 1 / 3;

/** A producer that holds at least one shard. */
export interface Holder {
  readonly producer: string;
  readonly shards: readonly string[];
}

export interface WaitOptions {
  readonly timeoutMs: number;
  readonly everyMs: number;
  readonly failure: string;
}

/** One run of one drill: the cluster under load, its observers, and the steps of which faults are made. */
export class DrillRun {
  readonly cluster: DrillCluster;
  readonly limits: Limits;
  readonly load: Load;
  readonly locks: LockWatch;
  readonly history: History;
  readonly measurements: Measurements;
  readonly reigns: ReignMeter;
  readonly random: () => number;
  readonly seconds: number;
  readonly faults: number;
  readonly signal: AbortSignal;
  readonly #restShare: number;
  readonly #undo = new Map<string, () => Promise<void> | void>();

  constructor(options: DrillRunOptions) {
    this.cluster = options.cluster;
    this.limits = options.limits;
    this.load = options.load;
    this.locks = options.locks;
    this.history = options.history;
    this.measurements = options.measurements;
    this.reigns = new ReignMeter(options);
    this.random = options.random;
    this.seconds = options.seconds;
    this.faults = options.faults;
    this.signal = options.signal;
    this.#restShare = options.isBrief ? BRIEF_SHARE : 1;
  }

  /** Milliseconds since the drill began. */
  get nowMs(): number {
    return this.measurements.nowMs;
  }

  event(event: string): void {
    this.measurements.event(event);
  }

  violation(what: string): void {
    this.measurements.violation(what);
  }

  /** Begins a fault. It ends for the measurements when the returned function is called. */
  beginFault(what: string, slotsDown: readonly number[] = []): () => void {
    return this.measurements.beginFault(what, slotsDown);
  }

  /** Waits while the load is as in the fault that follows. Redirects are compared with those of this time. */
  async calm(ms: number): Promise<void> {
    const fromMs = this.nowMs;
    await this.rest(ms);
    this.measurements.calms.push({ fromMs, toMs: this.nowMs });
  }

  /** One of the elements, chosen by the drill's random numbers. @throws RangeError when there is none */
  pick<T>(from: readonly T[]): T {
    const chosen = from[Math.floor(this.random() * from.length)];
    if (chosen === undefined) throw new RangeError('there is nothing to choose from');
    return chosen;
  }

  pickHolder(): Holder {
    const [producer, shards] = this.pick([...this.reigns.holdings()]);
    return { producer, shards };
  }

  /** Lets the load run. A brief run rests a third as long. */
  async rest(ms: number): Promise<void> {
    await this.pause(ms * this.#restShare);
  }

  /** Waits exactly so long. Rejects when the drill is interrupted. */
  async pause(ms: number): Promise<void> {
    await delay(ms, undefined, { signal: this.signal });
  }

  /** Waits until `find` returns a value. @throws Error with the message `failure` after `timeoutMs` */
  async waitFor<T>(
    find: () => Promise<T | undefined> | T | undefined,
    { timeoutMs, everyMs, failure }: WaitOptions,
  ): Promise<T> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const found = await find();
      if (found !== undefined) return found;
      if (performance.now() > deadline) throw new Error(failure);
      await this.pause(everyMs);
    }
  }

  /** The drill put older data into this store: the epochs and parts that it reports may fall from now on. */
  markRestored(store: string): void {
    this.measurements.restored.add(store);
  }

  /**
   * The drill put a urls server back to an older state, and will start it now: links that were acknowledged
   * since `fromMs` may be lost.
   */
  markPutBack(slots: readonly number[], fromMs: number): void {
    this.measurements.putBack.push({ slots: new Set(slots), fromMs, toMs: this.nowMs, at: new Date() });
  }

  /** From now on the drill measures how long mappers still refuse requests. */
  markHealed(): void {
    this.measurements.healedMs = this.nowMs;
  }

  /** Registers how to heal a fault, so that an interrupted drill leaves none behind. */
  undoLater(what: string, undo: () => Promise<void> | void): void {
    this.#undo.set(what, undo);
  }

  async undo(what: string): Promise<void> {
    const undo = this.#undo.get(what);
    this.#undo.delete(what);
    await undo?.();
  }

  async undoAll(): Promise<void> {
    for (const what of [...this.#undo.keys()].reverse()) await this.undo(what);
  }

  /**
   * Waits until producers deliver from every shard, every pool has keys, and every process is ready. Reports
   * a violation if that takes longer than a minute.
   */
  async untilQuiesced(): Promise<void> {
    const problems = await untilQuiesced(() => this.cluster.file, QUIESCE_TIMEOUT_MS);
    if (problems.length > 0)
      this.violation(`not quiet ${QUIESCE_TIMEOUT_MS / 1000} s after healing: ${problems.join('; ')}`);
  }
}
