import { setTimeout as delay } from 'node:timers/promises';
import type { LockHolder } from '../../coordinator/lock-holder.ts';
import type { DrillCluster } from '../cluster/drill-cluster.ts';
import { readyReigns } from '../cluster/quiesce.ts';
import type { Measurements } from '../history/measurements.ts';
import type { LockWatch } from '../watch/locks.ts';

const TIMEOUT_MS = 30_000;
const POLL_MS = 10;
/** Asking every producer costs more than looking at the watched locks. */
const READY_POLL_MS = 40;
const READY_TIMEOUT_MS = 500;

export interface ReignsOptions {
  readonly cluster: DrillCluster;
  readonly locks: LockWatch;
  readonly measurements: Measurements;
  readonly signal: AbortSignal;
}

/** Locks by shard at one moment, to compare with later. */
export type Reigns = ReadonlyMap<string, LockHolder>;

/** Which producer holds which shard, what a fault changes, and how long the change takes. */
export class ReignMeter {
  readonly #cluster: DrillCluster;
  readonly #locks: LockWatch;
  readonly #measurements: Measurements;
  readonly #signal: AbortSignal;

  constructor({ cluster, locks, measurements, signal }: ReignsOptions) {
    this.#cluster = cluster;
    this.#locks = locks;
    this.#measurements = measurements;
    this.#signal = signal;
  }

  /** Shards by the producer that holds them. */
  holdings(): Map<string, string[]> {
    const holdings = new Map<string, string[]>();
    for (const [shard, { owner }] of this.#locks.holders())
      if (owner !== null) holdings.set(owner, [...(holdings.get(owner) ?? []), shard]);
    return holdings;
  }

  /** The current reigns over these shards. */
  of(shards: readonly string[]): Reigns {
    return new Map([...this.#locks.holders()].filter(([shard]) => shards.includes(shard)));
  }

  /** Reports a violation for every shard whose lock or epoch is not the one of `before`. */
  expectSame(before: Reigns): void {
    for (const [shard, old] of before) {
      const now = this.#locks.holderOf(shard);
      if (now?.czxid !== old.czxid || now.epoch !== old.epoch)
        this.#measurements.violation(
          `${shard} belonged to ${old.owner} in epoch ${old.epoch}, ` +
            `and belongs to ${now?.owner ?? 'nobody'} in epoch ${now?.epoch ?? 'none'} now`,
        );
    }
  }

  /** Like {@link expectSame}, for those reigns whose session still exists. The others may have ended. */
  expectSameInSurvivingSessions(before: Reigns): void {
    const sessions = new Set([...this.#locks.holders().values()].map(({ ephemeralOwner }) => ephemeralOwner));
    const surviving = new Map([...before].filter(([, { ephemeralOwner }]) => sessions.has(ephemeralOwner)));
    this.#measurements.event(`the sessions of ${surviving.size} of ${before.size} reigns survived`);
    this.expectSame(surviving);
  }

  /**
   * Waits until each of these shards has a new lock and its holder is ready to deliver. Measures both times
   * from `sinceMs`. Reports a violation for every shard that takes longer than 30 s.
   */
  async untilTakenOver(before: Reigns, sinceMs: number): Promise<void> {
    await Promise.all([...before].map(async ([shard, old]) => this.#untilTakenOver(shard, old, sinceMs)));
  }

  async #untilTakenOver(shard: string, old: LockHolder, sinceMs: number): Promise<void> {
    const { deadMs, takeoversMs } = this.#measurements;
    const isNew = (): boolean => {
      const holder = this.#locks.holderOf(shard);
      return holder !== undefined && holder.czxid !== old.czxid;
    };
    if (!(await this.#until(isNew, POLL_MS))) {
      this.#measurements.violation(`no producer took ${shard} over within ${TIMEOUT_MS / 1_000} s`);
      return;
    }
    deadMs.push(this.#measurements.nowMs - sinceMs);
    const isReady = async (): Promise<boolean> =>
      (await readyReigns(this.#cluster.file, READY_TIMEOUT_MS)).some(
        (reign) => reign.shard === shard && (reign.epoch ?? 0) > (old.epoch ?? 0),
      );
    if (await this.#until(isReady, READY_POLL_MS)) takeoversMs.push(this.#measurements.nowMs - sinceMs);
    else this.#measurements.violation(`the new holder of ${shard} did not become ready`);
  }

  /** Waits until every producer holds a shard: the last hand-over after a restart is over then. */
  async untilBalanced(): Promise<void> {
    const { producers } = this.#cluster.file;
    const expected = Math.min(producers.length, this.#cluster.shards.length);
    if (!(await this.#until(() => this.holdings().size >= expected, POLL_MS)))
      this.#measurements.violation(
        `only ${this.holdings().size} of ${producers.length} producers hold a shard`,
      );
  }

  async #until(condition: () => Promise<boolean> | boolean, everyMs: number): Promise<boolean> {
    const deadline = performance.now() + TIMEOUT_MS;
    while (!(await condition())) {
      if (performance.now() > deadline) return false;
      await delay(everyMs, undefined, { signal: this.#signal });
    }
    return true;
  }
}
