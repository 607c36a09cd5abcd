import { randomUUID } from 'node:crypto';
import type { LinkRow } from '../db/links.ts';
import { OutcomeUnknownError, StoreUnavailableError } from '../db/store-errors.ts';
import { OverloadedError } from './binder.ts';
import { NoKeysError, type KeySupply, type TakenKey } from './key-supply.ts';
import type { LinkCache } from './link-cache.ts';
import { Problem, unavailable } from './problem.ts';
import type { ShortenRequest } from './shorten-request.ts';
import type { UrlsServers } from './urls-servers.ts';

/** A link that is durable: acknowledged, it always redirects. */
export interface NewLink {
  readonly key: string;
  readonly longUrl: string;
  readonly createdAt: Date;
  readonly expiresAt: Date | undefined;
}

export interface ShortenerOptions {
  readonly supply: KeySupply;
  readonly servers: UrlsServers;
  readonly cache: LinkCache;
  /** Tells all mappers that what they know of `key` is outdated; bounded, never rejects. */
  readonly announce: (key: string) => Promise<void>;
  /** Most shortens under way at once; beyond it 503 at once, so that no queue behind grows without bound. */
  readonly maxPending: number;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/** After this no further key is tried for a request. */
const GIVE_UP_MS = 4_000;

/** Makes links: draws a key (or takes the alias), binds it durably, and only then returns. */
export class Shortener {
  readonly #options: ShortenerOptions;
  #pending = 0;

  constructor(options: ShortenerOptions) {
    this.#options = options;
  }

  /** @throws Problem 409 alias taken, 503 no keys, store down, or overloaded */
  async shorten(request: ShortenRequest): Promise<NewLink> {
    if (this.#pending >= this.#options.maxPending) throw overloaded();
    this.#pending += 1;
    try {
      const { alias } = request;
      if (alias === undefined) return await this.#shortenWithPoolKey(request);
      return await this.#shortenWithAlias(alias, request);
    } finally {
      this.#pending -= 1;
    }
  }

  async #shortenWithAlias(alias: string, request: ShortenRequest): Promise<NewLink> {
    const { servers, cache, announce } = this.#options;
    const server = servers.for(alias);
    if (!server.isUp) throw shardDown();
    const row: LinkRow = { ...createRow(alias, request), alias: true };
    const outcome = await server.binder.bindAlias(row).catch((error: unknown) => {
      throw toProblem(error);
    });
    if (outcome === 'taken') {
      throw new Problem(409, 'alias-taken', `The alias ${alias} is taken.`, {
        errors: [{ field: 'custom_alias', reason: 'is taken' }],
      });
    }
    // Somebody may have asked for it before it existed, here or on another mapper, and remembers the 404.
    cache.invalidate(alias);
    await announce(alias);
    return toNewLink(row);
  }

  async #shortenWithPoolKey(request: ShortenRequest): Promise<NewLink> {
    const { supply, servers, cache, now } = this.#options;
    const deadlineMs = now() + GIVE_UP_MS;
    for (;;) {
      if (!servers.isAnyUp) throw shardDown();
      if (now() > deadlineMs) throw unavailable('no-key', 'No free key could be bound in time.');
      const taken = await this.#draw();
      const row = createRow(taken.key, request);
      if (await this.#bind(taken, row)) {
        supply.bound(taken);
        cache.invalidate(taken.key);
        return toNewLink(row);
      }
    }
  }

  async #draw(): Promise<TakenKey> {
    try {
      return await this.#options.supply.draw();
    } catch (error) {
      if (error instanceof NoKeysError) {
        throw unavailable('no-keys', 'There are no keys to give out just now.', 1, error);
      }
      throw error;
    }
  }

  /** @returns whether the key is bound to this row; false: the key is settled, take another */
  async #bind(taken: TakenKey, row: LinkRow): Promise<boolean> {
    const { supply, servers } = this.#options;
    const server = servers.for(taken.key);
    if (!server.isUp) {
      // Never pushed back: the keys of the slots that are down would come to fill the pools.
      supply.dropped(taken, 'slot_down');
      return false;
    }
    try {
      const outcome = await server.binder.bindKey(row);
      if (outcome === 'taken') supply.duplicate(taken);
      return outcome === 'bound';
    } catch (error) {
      if (error instanceof OverloadedError) {
        supply.giveBack(taken);
        throw toProblem(error);
      }
      supply.dropped(taken, error instanceof StoreUnavailableError ? 'slot_down' : 'unresolved');
      if (error instanceof StoreUnavailableError || error instanceof OutcomeUnknownError) return false;
      throw error;
    }
  }
}

function createRow(key: string, { longUrl, expiresAt }: ShortenRequest): LinkRow {
  return {
    key,
    originalUrl: longUrl,
    userId: null,
    createdAt: new Date(),
    expiresAt: expiresAt ?? null,
    requestId: randomUUID().replaceAll('-', ''),
  };
}

function toNewLink({ key, originalUrl, createdAt, expiresAt }: LinkRow): NewLink {
  return { key, longUrl: originalUrl, createdAt, expiresAt: expiresAt ?? undefined };
}

function shardDown(cause?: unknown): Problem {
  return unavailable(
    'store-down',
    'The store that would hold this link cannot be reached just now.',
    1,
    cause,
  );
}

function overloaded(cause?: unknown): Problem {
  return unavailable('overloaded', 'Too many requests wait already.', 1, cause);
}

function toProblem(error: unknown): unknown {
  if (error instanceof OverloadedError) return overloaded(error);
  if (error instanceof StoreUnavailableError || error instanceof OutcomeUnknownError) return shardDown(error);
  return error;
}
