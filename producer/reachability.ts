import type { KeysDb } from '../db/keys-db/keys-db.ts';
import { MismatchError, SchemaMismatchError } from '../db/store-errors.ts';
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
  readonly mismatch: MismatchError | undefined;
  /** The ensemble its epochs belong to; undefined before its first reign, and before its first answer. */
  readonly ensemble: string | undefined;
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
  readonly #verified = new Set<string>();
  readonly #logged = new Set<string>();
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

  /** Whether the keys-db was asked, is the configured one, and belongs to this ensemble or to none yet. */
  isUsable(shard: string, ensemble: string): boolean {
    const sight = this.#sights.get(shard);
    if (sight?.isReachable === undefined || sight.mismatch !== undefined) return false;
    if (sight.ensemble === undefined || sight.ensemble === ensemble) return true;
    this.#logStranger(shard, sight.ensemble, ensemble);
    return false;
  }

  /** Names of the keys-dbs that did not answer the last time. */
  get unreachable(): string[] {
    return [...this.#sights].filter(([, sight]) => sight.isReachable === false).map(([name]) => name);
  }

  /** Whether this cluster is new: every keys-db answers and none has had a reign. */
  get isPristine(): boolean {
    return [...this.#sights.values()].every((sight) => sight.isReachable && sight.ensemble === undefined);
  }

  /**
   * Asks each keys-db once. A keys-db whose schema is another version's is not used; the others are.
   * @throws MismatchError if one contradicts the configuration, or if the schema of all is another version's:
   *   refuse to start
   */
  async askOnce(): Promise<void> {
    await Promise.all(this.#keysDbs.map((keysDb) => this.#ask(keysDb)));
    const mismatches = [...this.#sights.values()].flatMap(({ mismatch }) => mismatch ?? []);
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

  /** Logs each keys-db once for each pair of ensembles: a person must decide. */
  #logStranger(shard: string, belongsTo: string, ensemble: string): void {
    const pair = `${shard} ${belongsTo} ${ensemble}`;
    if (this.#logged.has(pair)) return;
    this.#logged.add(pair);
    this.#log.error(
      { shard, belongsTo, ensemble },
      'keys-db belongs to another ZooKeeper, nobody contends for it: if ZooKeeper was wiped or replaced, run "keymill zookeeper adopt"',
    );
  }

  #logMismatch(shard: string, mismatch: MismatchError): void {
    const why =
      mismatch instanceof SchemaMismatchError
        ? "its schema is another version's"
        : 'it contradicts the configuration';
    this.#log.error({ shard, reason: messageOf(mismatch) }, `keys-db not used: ${why}`);
  }

  async #ask(keysDb: KeysDb): Promise<void> {
    try {
      const ensemble = await withDeadline(keysDb.name, ASK_TIMEOUT_MS, async () => {
        if (!this.#verified.has(keysDb.name)) await keysDb.verify();
        this.#verified.add(keysDb.name);
        return (await keysDb.ownership()).ensemble;
      });
      this.#record(keysDb.name, { isReachable: true, mismatch: undefined, ensemble });
    } catch (error) {
      // The keys-db may come back restored or replaced, so it is verified again.
      this.#verified.delete(keysDb.name);
      const mismatch = error instanceof MismatchError ? error : undefined;
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
    if (isChanged || before.ensemble !== now.ensemble) for (const listener of this.#listeners) listener();
  }
}
