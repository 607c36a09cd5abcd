import type { KeysDb } from '../db/keys-db/keys-db.ts';
import {
  isContradiction,
  MismatchError,
  SchemaMismatchError,
  type Contradiction,
} from '../db/store-errors.ts';
import { monotonicMs } from '../runtime/clock.ts';
import { messageOf } from '../runtime/errors.ts';
import type { Log } from '../runtime/log.ts';
import { pauseQuietly, withDeadline } from '../runtime/retry.ts';

/** A keys-db as seen from this producer. */
export interface Sight {
  /** Whether it answered the last time; undefined before the first. */
  readonly isReachable: boolean | undefined;
  /** When `isReachable` or `mismatch` last changed, by the monotonic clock. */
  readonly sinceMs: number;
  /** Why this version or configuration must not write to it. A person must decide. */
  readonly mismatch: Contradiction | undefined;
  /** The ensemble its epochs belong to; undefined before its first reign, and before its first answer. */
  readonly ensemble: string | undefined;
  /** Of the lock whose holder last raised the epoch, within that ensemble; 0 before. */
  readonly czxid: bigint;
}

const ASK_TIMEOUT_MS = 1_000;

/**
 * Asks every configured keys-db at intervals, independently of the others: whether it answers, whether it is
 * the one that the configuration describes, and which ensemble it belongs to.
 */
export class Reachability {
  readonly #keysDbs: readonly KeysDb[];
  readonly #everyMs: number;
  readonly #log: Log;
  readonly #sights = new Map<string, Sight>();
  readonly #listeners = new Set<() => void>();

  constructor(keysDbs: readonly KeysDb[], everyMs: number, log: Log) {
    this.#keysDbs = keysDbs;
    this.#everyMs = everyMs;
    this.#log = log;
    const unseen = {
      isReachable: undefined,
      sinceMs: monotonicMs(),
      mismatch: undefined,
      ensemble: undefined,
      czxid: 0n,
    };
    for (const { name } of keysDbs) this.#sights.set(name, unseen);
  }

  get(shard: string): Sight | undefined {
    return this.#sights.get(shard);
  }

  /** Calls `listener` after every change, until disposed. */
  observe(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /** The last lock that each keys-db has recorded. */
  get recordedLocks(): [shard: string, lock: Pick<Sight, 'ensemble' | 'czxid'>][] {
    return [...this.#sights];
  }

  /** Names of the keys-dbs that did not answer the last time. */
  get unreachable(): string[] {
    return [...this.#sights].filter(([, sight]) => sight.isReachable === false).map(([name]) => name);
  }

  /** Asks whether this cluster is new: every keys-db answers and none has had a reign. */
  async isPristine(): Promise<boolean> {
    const hasNoReign = (): boolean =>
      [...this.#sights.values()].every(
        ({ isReachable, mismatch, ensemble }) =>
          isReachable && mismatch === undefined && ensemble === undefined,
      );
    if (!hasNoReign()) return false;
    // A reign may have begun since the last answers, and then a missing ensemble id means a wiped ZooKeeper.
    await this.#askAll();
    return hasNoReign();
  }

  /**
   * Asks each keys-db once. A keys-db whose schema is another version's, or which holds an impossible value,
   * is not used; the others are.
   * @throws MismatchError if one contradicts the configuration, or if the schema of all is another version's:
   *   refuse to start
   */
  async askOnce(): Promise<void> {
    await this.#askAll();
    const mismatches = [...this.#sights.values()].flatMap(({ mismatch }) =>
      mismatch instanceof MismatchError ? mismatch : [],
    );
    const fatal =
      mismatches.find((mismatch) => !(mismatch instanceof SchemaMismatchError)) ??
      (mismatches.length === this.#sights.size ? mismatches[0] : undefined);
    if (fatal !== undefined) throw fatal;
  }

  /** Asks each keys-db at its interval, until aborted. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all(
      this.#keysDbs.map(async (keysDb) => {
        while (!signal.aborted) {
          await pauseQuietly(this.#everyMs, signal);
          if (!signal.aborted) await this.#ask(keysDb);
        }
      }),
    );
  }

  async #askAll(): Promise<void> {
    await Promise.all(this.#keysDbs.map((keysDb) => this.#ask(keysDb)));
  }

  #logMismatch(shard: string, mismatch: Contradiction): void {
    this.#log.error({ shard, reason: messageOf(mismatch) }, `keys-db not used: ${whyUnused(mismatch)}`);
  }

  async #ask(keysDb: KeysDb): Promise<void> {
    try {
      const { ensemble, czxid } = await withDeadline(keysDb.name, ASK_TIMEOUT_MS, async () => {
        // Each time: it may be migrated, restored or replaced while we run.
        await keysDb.verify();
        return keysDb.ownership();
      });
      this.#record(keysDb.name, { isReachable: true, mismatch: undefined, ensemble, czxid });
    } catch (error) {
      const mismatch = isContradiction(error) ? error : undefined;
      this.#record(keysDb.name, { isReachable: mismatch !== undefined, mismatch }, messageOf(error));
    }
  }

  #record(name: string, seen: Partial<Sight>, reason?: string): void {
    const before = this.#sights.get(name);
    if (!before) return;
    const isChanged =
      before.isReachable !== seen.isReachable || before.mismatch?.message !== seen.mismatch?.message;
    const now: Sight = { ...before, ...seen, sinceMs: isChanged ? monotonicMs() : before.sinceMs };
    this.#sights.set(name, now);
    if (isChanged && now.mismatch !== undefined) this.#logMismatch(name, now.mismatch);
    else if (isChanged && !now.isReachable) this.#log.warn({ shard: name, reason }, 'keys-db unreachable');
    else if (isChanged && before.isReachable !== undefined)
      this.#log.info({ shard: name }, 'keys-db reachable');
    const hasNewLock = before.ensemble !== now.ensemble || before.czxid !== now.czxid;
    if (isChanged || hasNewLock) for (const listener of this.#listeners) listener();
  }
}

function whyUnused(mismatch: Contradiction): string {
  if (mismatch instanceof SchemaMismatchError) return "its schema is another version's";
  return mismatch instanceof MismatchError
    ? 'it contradicts the configuration'
    : 'a value in it cannot be right';
}
