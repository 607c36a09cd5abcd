import { createHash } from 'node:crypto';
import type { CacheDb } from '../../db/redis/cache.ts';
import type { Breaker } from '../../runtime/breaker.ts';
import { parseJson } from '../../runtime/json.ts';
import type { CachedLink } from './link-cache.ts';

export interface CacheShard {
  readonly db: CacheDb;
  readonly breaker: Breaker;
}

/**
 * The shared cache's answer for a key: a link and its greatest possible age, or no link and the right to
 * store one.
 */
export interface SharedAnswer {
  readonly link: CachedLink | undefined;
  readonly ageMs: number;
  /**
   * Stores a plain or deleted link that was read from its urls server after this answer. Works in the
   * background, and stores nothing if the key has changed meanwhile.
   */
  store(link: CachedLink): void;
}

/**
 * Marks a deleted link. Release 0.1.0 stores links with rules as if they were deleted, without this mark. So
 * an entry without target and mark is read from the urls server.
 */
const DELETED = 'deleted';

/**
 * The Redis shards that cache links for all mappers. They are optional: a shard that is down, slow or behind
 * an open breaker counts as empty. They hold links only, because only the primary can report that a key does
 * not exist.
 */
export class SharedCache {
  readonly #shards: readonly CacheShard[];
  readonly #ttlMs: number;

  constructor(shards: readonly CacheShard[], ttlMs: number) {
    this.#shards = shards;
    this.#ttlMs = ttlMs;
  }

  /** The names of the shards that do not answer. */
  get silent(): string[] {
    return this.#shards.filter(({ db }) => !db.isConnected).map(({ db }) => db.name);
  }

  /** Looks a link up. Never rejects. @returns undefined when the shard does not answer */
  async find(key: string): Promise<SharedAnswer | undefined> {
    const shard = this.#shardOf(key);
    if (shard === undefined) return undefined;
    const answer = await ask(shard, async () => shard.db.read(key));
    if (answer === undefined) return undefined;
    const link = answer.value === undefined ? undefined : parse(answer.value);
    return {
      link,
      ageMs: Math.max(0, this.#ttlMs - answer.remainingMs),
      store: (fresh) => {
        if (answer.version === '' || fresh.rules !== undefined) return;
        const { longUrl, expiresAtMs = null } = fresh;
        const value = JSON.stringify(
          longUrl === undefined ? [null, expiresAtMs, DELETED] : [longUrl, expiresAtMs],
        );
        void ask(shard, async () =>
          shard.db.fill(key, { version: answer.version, value, ttlMs: this.#ttlMs }),
        );
      },
    };
  }

  /**
   * Forgets `key`, because it has changed. The mapper that changes it calls this. Every mapper that receives
   * the change calls it before its next read. A shard that cannot be reached forgets the key when its time to
   * live is over. Never rejects.
   */
  async forget(key: string): Promise<void> {
    const shard = this.#shardOf(key);
    // Also while the breaker is open: trying costs little, and other mappers may still read from the shard.
    await shard?.db.forget(key).catch(() => undefined);
  }

  /**
   * Rendezvous hashing (Thaler, Ravishankar, 1998): adding or removing a shard moves only that shard's keys.
   */
  #shardOf(key: string): CacheShard | undefined {
    if (this.#shards.length < 2) return this.#shards[0];
    let best: CacheShard | undefined;
    let bestWeight = '';
    for (const shard of this.#shards) {
      const weight = createHash('md5').update(shard.db.name).update('/').update(key).digest('latin1');
      if (best !== undefined && weight <= bestWeight) continue;
      best = shard;
      bestWeight = weight;
    }
    return best;
  }
}

/** Asks a shard if its breaker allows it; undefined when there is no answer. */
async function ask<T>({ breaker }: CacheShard, work: () => Promise<T>): Promise<T | undefined> {
  if (!breaker.isClosed && !breaker.tryTrial()) return undefined;
  try {
    const answer = await work();
    breaker.succeeded();
    return answer;
  } catch (error) {
    breaker.failed(error);
    return undefined;
  }
}

function parse(value: string): CachedLink | undefined {
  const fields = parseJson(value);
  if (!Array.isArray(fields)) return undefined;
  const [longUrl, expiresAtMs, mark] = fields as unknown[];
  if (typeof longUrl !== 'string' && mark !== DELETED) return undefined;
  return {
    longUrl: typeof longUrl === 'string' ? longUrl : undefined,
    expiresAtMs: typeof expiresAtMs === 'number' ? expiresAtMs : undefined,
  };
}
