import {
  DuplicateRowError,
  isOutage,
  MismatchError,
  OutcomeUnknownError,
  StoreUnavailableError,
} from '../../db/store-errors.ts';
import type { LinkRow } from '../../db/urls/link.ts';
import type { Breaker } from '../../runtime/breaker.ts';
import { delayFor, pause } from '../../runtime/retry.ts';
import { Batcher } from './batcher.ts';

/** `taken`: the key belongs to another link already. */
export type BindOutcome = 'bound' | 'taken';

/** Where rows are bound. */
export interface BindingStore<Row extends LinkRow> {
  readonly name: string;
  /** Like the method of a urls database. */
  insert(rows: readonly Row[], options: { timeoutMs: number }): Promise<void>;
  /** The rows that exist, with the requests that made them, in no particular order. */
  find(keys: readonly string[]): Promise<readonly { readonly key: string; readonly requestId: string }[]>;
}

export interface BinderOptions<Row extends LinkRow> {
  readonly store: BindingStore<Row>;
  /** Receives the outcome of every INSERT. */
  readonly breaker: Pick<Breaker, 'isClosed' | 'succeeded' | 'failed'>;
  /**
   * Whether a row of a pool key is given up when its server goes down before its outcome is known: then its
   * link gets another key. False: it is repeated for as long as that of an alias.
   */
  readonly hasOtherKeys: boolean;
  /** Rows of aliases in one INSERT, and INSERTs of them at the same time. Default: one row, three INSERTs. */
  readonly aliases?: { readonly rows: number; readonly inFlight: number };
  /** What a row adds to its INSERT, which then has `MAX_INSERT_BYTES` at most. Default: nothing. */
  readonly bytesOf?: (row: Row) => number;
  /** How many of so many rows of pool keys share an INSERT. Default: all. */
  readonly fit?: (rows: number) => number;
  /** Most rows that may wait. The callers admit no more links than this at the same time. */
  readonly queueLimit: number;
  readonly onBatch: (rows: number) => void;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/**
 * A row to be bound. One of the two methods is called, exactly once. Neither may throw, because other rows of
 * the same INSERT wait behind this one.
 */
export interface Binding<Row extends LinkRow = LinkRow> {
  readonly row: Row;
  finished(outcome: BindOutcome): void;
  /**
   * @param error StoreUnavailableError: not bound; OutcomeUnknownError: perhaps bound, so the key must never
   * be handed out again; anything else is a fault of ours
   */
  failed(error: Error): void;
}

const MAX_BATCH_ROWS = 256;
/** More than one multi-row INSERT at a time makes the batches smaller, and their locks collide. */
const KEY_INSERTS_IN_FLIGHT = 1;
const SINGLE_ALIASES = { rows: 1, inFlight: 3 };
/** Less than half of what a server takes as one packet by default. */
const MAX_INSERT_BYTES = 4 * 1024 * 1024;
/** Deadline of one INSERT: a healthy server commits in milliseconds. */
const INSERT_TIMEOUT_MS = 1_500;
/** How long an INSERT with an unknown outcome is repeated before the request fails. */
const RESOLVE_MS = 2_500;
const REPEAT = { baseMs: 20, maxMs: 250 };
/**
 * A key that is a duplicate for INSERT and absent for SELECT this many times belongs to a transaction that
 * hangs.
 */
const MAX_CONTRADICTIONS = 5;

/**
 * Binds keys to links on one urls server. Concurrent requests share one multi-row INSERT; the next leaves
 * when the last one returns. A row is `'bound'` only after the commit, and only when the table has it with
 * this row's request id.
 *
 * - Duplicate: nothing of the INSERT was written. The rows are read. A key with our request id is bound, a
 *   key with another one is taken, and the rest are inserted again.
 * - Unknown outcome: the same INSERT with the same request ids is repeated until it succeeds or turns out to
 *   be a duplicate. Once the server counts as down, only rows that cannot get another key wait for that. A
 *   row that is bound later nevertheless was never acknowledged.
 * - Aliases collide often, so each has an INSERT of its own, and never makes a batch of keys fail. Those of a
 *   bulk share INSERTs with each other.
 */
export class Binder<Row extends LinkRow = LinkRow> {
  readonly #options: BinderOptions<Row>;
  readonly #keys: Batcher<Binding<Row>>;
  readonly #aliases: Batcher<Binding<Row>>;
  /** When each INSERT in flight began, repetitions included. */
  readonly #flights = new Set<Flight>();

  constructor(options: BinderOptions<Row>) {
    this.#options = options;
    const run = (bindings: Binding<Row>[], returned: () => void): void => {
      const flight = { beganMs: options.now() };
      this.#flights.add(flight);
      void this.#bindAll(bindings).finally(() => {
        this.#flights.delete(flight);
        returned();
      });
    };
    const { queueLimit: maxQueued, aliases = SINGLE_ALIASES, bytesOf, fit } = options;
    const common = {
      maxQueued,
      run,
      ...(bytesOf && {
        weigh: ({ row }: Binding<Row>) => bytesOf(row),
        maxWeight: MAX_INSERT_BYTES,
      }),
    };
    this.#keys = new Batcher({
      ...common,
      maxBatch: MAX_BATCH_ROWS,
      maxInFlight: KEY_INSERTS_IN_FLIGHT,
      ...(fit && { fit }),
    });
    this.#aliases = new Batcher({ ...common, maxBatch: aliases.rows, maxInFlight: aliases.inFlight });
  }

  /** Whether the row of a pool key would leave with an INSERT that is being gathered. */
  get isGathering(): boolean {
    return this.#keys.isGathering;
  }

  /** How long the oldest INSERT has been in flight; 0 when none is. */
  get inFlightMs(): number {
    const nowMs = this.#options.now();
    let longestMs = 0;
    for (const { beganMs } of this.#flights) longestMs = Math.max(longestMs, nowMs - beganMs);
    return longestMs;
  }

  /** Whether no INSERT of pool keys is in flight or being gathered. */
  get isIdle(): boolean {
    return this.#keys.isIdle;
  }

  /**
   * Binds the row of a pool key.
   * @throws Error when more than `queueLimit` rows wait: the caller broke its promise
   */
  bind(binding: Binding<Row>): void {
    this.#add(this.#keys, binding);
  }

  /** Binds a row whose key the user chose. @throws the errors of {@link Binding.failed} and {@link bind} */
  async bindAlias(row: Row): Promise<BindOutcome> {
    return new Promise((finished, failed) => this.#add(this.#aliases, { row, finished, failed }));
  }

  /** The server went down: fails every row that has not been sent. */
  failQueued(): void {
    const error = new StoreUnavailableError(this.#options.store.name, 'it went down');
    for (const binding of [...this.#keys.removeQueued(), ...this.#aliases.removeQueued()])
      binding.failed(error);
  }

  /** The server hangs: fails every row of a pool key that has not been sent, so that it gets another key. */
  failQueuedKeys(): void {
    const error = new StoreUnavailableError(this.#options.store.name, 'an INSERT hangs');
    for (const binding of this.#keys.removeQueued()) binding.failed(error);
  }

  /** Resolves when no row waits or is in flight. */
  async idle(): Promise<void> {
    await Promise.all([this.#keys.idle(), this.#aliases.idle()]);
  }

  /** The queue cannot be full: the shortener admits `queueLimit` links at a time, this row's included. */
  #add(batcher: Batcher<Binding<Row>>, binding: Binding<Row>): void {
    if (batcher.tryAdd(binding)) return;
    const { store, queueLimit } = this.#options;
    throw new Error(
      `more than ${queueLimit} rows wait for ${store.name}: no more than that may be under way`,
    );
  }

  /**
   * @param pending emptied, or the rows left in it have failed
   * @param doubt about an earlier INSERT of the same rows
   */
  async #bindAll(pending: Binding<Row>[], doubt: Doubt = {}): Promise<void> {
    try {
      await this.#insertUntilDecided(pending, doubt);
    } catch (error) {
      if (isAway(error) || pending.length <= 1) {
        // After a lost answer, no error tells that a row is not there.
        const failure = doubt.unknown ?? (error as Error);
        for (const binding of pending) binding.failed(failure);
      } else {
        // A row that the store refuses permanently must fail alone.
        for (const binding of pending) await this.#bindAll([binding], { ...doubt });
      }
    }
  }

  /**
   * Finishes and removes bindings from `pending` as they are decided.
   * @throws when the rest cannot be decided
   */
  async #insertUntilDecided(pending: Binding<Row>[], doubt: Doubt): Promise<void> {
    const { store, breaker, now } = this.#options;
    const deadlineMs = now() + RESOLVE_MS;
    let contradictions = 0;
    for (let attempt = 0; pending.length > 0; attempt += 1) {
      // Checked for each INSERT, not for each row: since the last attempt the server may have gone down.
      if (!breaker.isClosed && (doubt.unknown === undefined || this.#haveOtherKeys(pending)))
        throw new StoreUnavailableError(store.name, 'it is down');
      try {
        if (await this.#insertOrDecide(pending)) continue;
        contradictions += 1;
        if (contradictions >= MAX_CONTRADICTIONS)
          throw new StoreUnavailableError(store.name, 'it contradicts itself about a key');
      } catch (error) {
        // Its tables are gone: it counts as down until the poll finds them again.
        if (error instanceof MismatchError) throw new StoreUnavailableError(store.name, error.message, error);
        if (error instanceof OutcomeUnknownError) doubt.unknown = error;
        if (!isAway(error) || doubt.unknown === undefined || now() > deadlineMs) throw error;
        await pause(delayFor(attempt, REPEAT));
      }
    }
  }

  /** One INSERT, and a read if keys exist already. @returns whether this decided any of `pending` */
  async #insertOrDecide(pending: Binding<Row>[]): Promise<boolean> {
    const { store, breaker, onBatch } = this.#options;
    try {
      await store.insert(
        pending.map(({ row }) => row),
        { timeoutMs: INSERT_TIMEOUT_MS },
      );
    } catch (error) {
      if (!(error instanceof DuplicateRowError)) {
        if (isOutage(error)) breaker.failed(error);
        throw error;
      }
      breaker.succeeded();
      return (await this.#decideExisting(pending)) > 0;
    }
    breaker.succeeded();
    onBatch(pending.length);
    for (const binding of pending.splice(0)) binding.finished('bound');
    return true;
  }

  /** A row with an alias is alone in its INSERT. */
  #haveOtherKeys([first]: readonly Binding<Row>[]): boolean {
    return this.#options.hasOtherKeys && first?.row.alias !== true;
  }

  /** Reads the rows that exist, on the primary. @returns how many of `pending` this decided */
  async #decideExisting(pending: Binding<Row>[]): Promise<number> {
    const { store, onBatch } = this.#options;
    const stored = await store.find(pending.map(({ row }) => row.key));
    const ownerOf = new Map(stored.map(({ key, requestId }) => [key, requestId]));
    /** Where the first row of each key that is left stands in `pending`. */
    const firsts = new Map<string, number>();
    let mine = 0;
    let decided = 0;
    for (const binding of pending.splice(0)) {
      const { key, requestId } = binding.row;
      const owner = ownerOf.get(key);
      const firstAt = firsts.get(key);
      const first = firstAt === undefined ? undefined : pending[firstAt];
      if (owner === undefined && first === undefined) {
        firsts.set(key, pending.push(binding) - 1);
        continue;
      }
      decided += 1;
      // The same key twice in one batch would collide with itself for ever. Rows with one request id are the
      // same one. Of others (a key from two pools, after a restore) the first one gets the key.
      if (firstAt !== undefined && first?.row.requestId === requestId)
        pending[firstAt] = joined(first, binding);
      else {
        const isMine = owner === requestId;
        if (isMine) mine += 1;
        binding.finished(isMine ? 'bound' : 'taken');
      }
    }
    if (mine > 0) onBatch(mine);
    return decided;
  }
}

/** Two equal rows as one: what becomes of it becomes of both. */
function joined<Row extends LinkRow>(one: Binding<Row>, other: Binding<Row>): Binding<Row> {
  return {
    row: one.row,
    finished: (outcome) => {
      one.finished(outcome);
      other.finished(outcome);
    },
    failed: (error) => {
      one.failed(error);
      other.failed(error);
    },
  };
}

interface Flight {
  readonly beganMs: number;
}

/** Whether an INSERT of these rows may have happened although nobody said so. */
interface Doubt {
  unknown?: OutcomeUnknownError;
}

function isAway(error: unknown): boolean {
  return error instanceof StoreUnavailableError || error instanceof OutcomeUnknownError;
}
