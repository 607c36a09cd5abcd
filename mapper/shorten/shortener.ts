import { slotOf } from '../../db/keyspace/placement.ts';
import { OutcomeUnknownError, StoreUnavailableError } from '../../db/store-errors.ts';
import type { OwnedRow } from '../../db/own-links/owned-insert.ts';
import type { LinkRow } from '../../db/urls/link.ts';
import type { AnnounceChange } from '../cache/announce-change.ts';
import type { LinkCache } from '../cache/link-cache.ts';
import { Problem } from '../http/problem.ts';
import type { KeySupply } from '../keys/key-supply.ts';
import { type TakenKey } from '../keys/taken-key.ts';
import type { Binder, BindOutcome, Binding } from '../urls/binder.ts';
import type { UrlsServer } from '../urls/urls-server.ts';
import type { UrlsServers } from '../urls/urls-servers.ts';
import type { RowKind } from '../urls/urls-writes.ts';
import { RowMaker } from './row-maker.ts';
import { aliasTaken, overloaded, perhapsMade, shardDown, toProblem } from './shorten-problems.ts';
import type { OwnFields, ShortenRequest } from './shorten-request.ts';

/** Receives the result of a shorten, exactly once. Must not throw: other requests wait behind it. */
export interface ShortenObserver {
  /**
   * The link is durable. Once acknowledged, it always redirects.
   * @param link the stored row; an {@link OwnedRow} if the request was for one with an owner, or with rules
   */
  made(link: LinkRow): void;
  /**
   * @param error Problem 409 alias taken, 503 no keys, store down or overloaded; any other error is our fault
   */
  refused(error: unknown): void;
}

export interface ShortenerOptions {
  readonly supply: KeySupply;
  readonly servers: UrlsServers;
  readonly cache: LinkCache;
  readonly announce: AnnounceChange;
  /** Most shortens in flight. Further ones get 503 immediately, which bounds every queue behind. */
  readonly maxPending: number;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/** A request that has waited this long tries no further key. */
const GIVE_UP_MS = 4_000;

/**
 * Makes links: draws a key (or takes the alias), binds it durably, and only then reports it.
 *
 * Thousands of shortens wait here, so each is one object that the queues pass on, not a chain of promises.
 */
export class Shortener {
  readonly #options: ShortenerOptions;
  readonly #rows = new RowMaker();
  readonly #anonymous: Way<LinkRow> = {
    createRow: (key, slot, request) => this.#rows.create(key, slot, request),
    kind: 'plain',
    isListed: false,
    binderOf: (server) => server.writes.plain.binder,
  };
  readonly #pending = { count: 0 };

  constructor(options: ShortenerOptions) {
    this.#options = options;
  }

  /** Whether a further shorten would be refused. Its body need not be read then. */
  get isFull(): boolean {
    return this.#pending.count >= this.#options.maxPending;
  }

  /** Starts a shorten; `observer` receives its result. */
  begin(request: ShortenRequest, observer: ShortenObserver): void {
    if (this.isFull) {
      observer.refused(overloaded());
      return;
    }
    this.#pending.count += 1;
    if (request.own === undefined) this.#beginOn(this.#anonymous, request, observer);
    else this.#beginOn(this.#owned(request.own), request, observer);
  }

  /** {@link begin} as a promise. @throws the error that an observer would receive */
  async shorten(request: ShortenRequest): Promise<LinkRow> {
    return new Promise((made, refused) => this.begin(request, { made, refused }));
  }

  /**
   * Binds exactly this row, which a reservation has fixed, or finds it bound already. It is alone in its
   * INSERT, so that equal rows of several requests do not meet in one.
   * @throws Problem 503 overloaded; StoreUnavailableError not bound; OutcomeUnknownError perhaps bound
   */
  async bindReserved(row: LinkRow | OwnedRow): Promise<BindOutcome> {
    if (this.isFull) throw overloaded();
    const server = this.#options.servers.at(row.slot);
    this.#pending.count += 1;
    try {
      const { owned, plain } = server.writes;
      return await ('tags' in row ? owned.binder.bindAlias(row) : plain.binder.bindAlias(row));
    } finally {
      this.#pending.count -= 1;
    }
  }

  #beginOn<Row extends LinkRow>(way: Way<Row>, request: ShortenRequest, observer: ShortenObserver): void {
    const { alias } = request;
    if (alias !== undefined) void this.#shortenWithAlias(alias, way, request, observer);
    else new PoolKeyShorten(this.#options, way, this.#pending, request, observer).tryNextKey();
  }

  #owned(own: OwnFields): Way<OwnedRow> {
    return {
      createRow: (key, slot, request) => ({ ...this.#rows.create(key, slot, request), ...own }),
      kind: 'owned',
      isListed: own.userId !== null,
      binderOf: (server) => server.writes.owned.binder,
    };
  }

  async #shortenWithAlias<Row extends LinkRow>(
    alias: string,
    way: Way<Row>,
    request: ShortenRequest,
    observer: ShortenObserver,
  ): Promise<void> {
    const { servers, announce } = this.#options;
    const slot = slotOf(alias);
    const row = { ...way.createRow(alias, slot, request), alias: true };
    try {
      const server = servers.at(slot);
      if (!server.takes(way.kind)) throw shardDown();
      if ((await way.binderOf(server).bindAlias(row)) === 'taken') throw aliasTaken(alias);
      // This mapper or another may still have cached that the alias does not exist.
      await announce(alias);
    } catch (error) {
      this.#pending.count -= 1;
      observer.refused(toProblem(error));
      return;
    }
    this.#pending.count -= 1;
    observer.made(row);
  }
}

/** How a link is made: its row, and what binds it. */
interface Way<Row extends LinkRow> {
  readonly createRow: (key: string, slot: number, request: ShortenRequest) => Row;
  readonly kind: RowKind;
  /** Whether it appears in the list of its owner. */
  readonly isListed: boolean;
  readonly binderOf: (server: UrlsServer) => Binder<Row>;
}

/** One shorten with a pool key: draws keys until one is bound, or until another key would not help. */
class PoolKeyShorten<Row extends LinkRow> implements Binding<Row> {
  readonly #options: ShortenerOptions;
  readonly #way: Way<Row>;
  readonly #pending: { count: number };
  readonly #request: ShortenRequest;
  readonly #observer: ShortenObserver;
  readonly #startedMs: number;
  #taken: TakenKey | undefined;
  #row: Row | undefined;

  constructor(
    options: ShortenerOptions,
    way: Way<Row>,
    pending: { count: number },
    request: ShortenRequest,
    observer: ShortenObserver,
  ) {
    this.#options = options;
    this.#way = way;
    this.#pending = pending;
    this.#request = request;
    this.#observer = observer;
    this.#startedMs = options.now();
  }

  /** Set before the binder reads it. */
  get row(): Row {
    return this.#row as Row;
  }

  tryNextKey(): void {
    const { supply, servers, now } = this.#options;
    let taken: TakenKey | undefined;
    do {
      const next = servers.nextToBind(this.#way.kind);
      if (next === 'none') {
        this.#refuse(shardDown());
        return;
      }
      if (now() - this.#startedMs > GIVE_UP_MS) {
        this.#refuse(new Problem('no-key'));
        return;
      }
      taken = supply.tryDraw(next === 'any' ? undefined : next);
      if (taken === undefined) {
        void this.#awaitKey();
        return;
      }
    } while (!this.#bind(taken));
  }

  /** The binder has bound the row, or found its key taken. */
  finished(outcome: BindOutcome): void {
    const { supply, cache } = this.#options;
    const taken = this.#taken as TakenKey;
    if (outcome === 'taken') {
      supply.duplicate(taken);
      this.tryNextKey();
      return;
    }
    supply.bound(taken);
    cache.appeared(taken.key);
    this.#pending.count -= 1;
    this.#observer.made(this.row);
  }

  /** The binder could not bind the row, or cannot find out whether it did. */
  failed(error: Error): void {
    // An owner would find both links in his list. The first one may still appear there.
    if (error instanceof OutcomeUnknownError && this.#way.isListed) {
      this.#options.supply.dropped(this.#taken as TakenKey, 'unresolved');
      this.#refuse(perhapsMade(error));
      return;
    }
    const isStoreError = error instanceof StoreUnavailableError || error instanceof OutcomeUnknownError;
    const reason = error instanceof StoreUnavailableError ? 'slot_down' : 'unresolved';
    this.#options.supply.dropped(this.#taken as TakenKey, reason);
    if (isStoreError) this.tryNextKey();
    else this.#refuse(error);
  }

  async #awaitKey(): Promise<void> {
    let taken: TakenKey;
    try {
      taken = await this.#options.supply.draw();
    } catch (error) {
      this.#refuse(toProblem(error));
      return;
    }
    if (!this.#bind(taken)) this.tryNextKey();
  }

  /** @returns false when this key cannot be bound now and another must be drawn */
  #bind(taken: TakenKey): boolean {
    const { supply, servers } = this.#options;
    const { server } = taken;
    // One check of the breaker per key is enough: nothing is awaited from here to the queue, a breaker that
    // opens later fails the queued rows, and the binder checks it again for each INSERT.
    if (servers.avoids(server, this.#way.kind)) {
      // Never put back: the keys of slots that are down would fill the pools.
      supply.dropped(taken, 'slot_down');
      return false;
    }
    this.#taken = taken;
    this.#row = this.#way.createRow(taken.key, taken.slot, this.#request);
    this.#way.binderOf(server).bind(this);
    return true;
  }

  #refuse(error: unknown): void {
    this.#pending.count -= 1;
    this.#observer.refused(error);
  }
}
