import { createHash } from 'node:crypto';
import type { CacheDb } from '../../db/redis/cache.ts';
import type { Breaker } from '../../runtime/breaker.ts';
import type { CachedLink } from './link-cache.ts';

export interface CacheShard {
  readonly db: CacheDb;
  readonly breaker: Breaker;
}

/** What the shared cache knows of a key: a link and how old it may be taken to be, or leave to store one. */
export interface SharedAnswer {
  readonly link: CachedLink | undefined;
  readonly ageMs: number;
  /** Stores a link read from its urls server after this answer; in the background, and not if the key changed meanwhile. */
  store(link: CachedLink): void;
}

/**
 * The cache Redis shards behind the memory of all mappers. Optional, and never needed: a shard that is away, slow or behind its breaker
 * counts as empty. Links only: that a key does not exist is known by the primary alone.
 */
export class SharedCache {
  readonly #shards: readonly CacheShard[];
  readonly #ttlMs: number;

  constructor(shards: readonly CacheShard[], ttlMs: number) {
    this.#shards = shards;
    this.#ttlMs = ttlMs;
  }

  /** undefined: the shard cannot be asked. Never rejects. */
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
        const value = JSON.stringify([fresh.originalUrl ?? null, fresh.expiresAtMs ?? null]);
        if (answer.version !== '')
          void ask(shard, async () =>
            shard.db.fill(key, { version: answer.version, value, ttlMs: this.#ttlMs }),
          );
      },
    };
  }

  /** It has changed: to be said by whoever changes it and by all who hear of it. A shard that cannot be told forgets by itself, when its time to live is over. Never rejects. */
  async forget(key: string): Promise<void> {
    const shard = this.#shardOf(key);
    // Whatever the breaker says: trying costs little, and the other mappers may well reach the shard.
    await shard?.db.forget(key).catch(() => undefined);
  }

  /** Rendezvous hashing (Thaler, Ravishankar, 1998): a shard more or less moves only its own keys. */
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

/** Asks a shard whose breaker lets it; undefined when there is no answer. */
async function ask<T>({ breaker }: CacheShard, work: () => Promise<T>): Promise<T | undefined> {
  if (!breaker.isClosed && !breaker.tryTrial()) return undefined;
  try {
    const answer = await work();
    breaker.succeeded();
    return answer;
  } catch {
    breaker.failed();
    return undefined;
  }
}

function parse(value: string): CachedLink | undefined {
  try {
    const fields: unknown = JSON.parse(value);
    if (!Array.isArray(fields)) return undefined;
    const [originalUrl, expiresAtMs] = fields as unknown[];
    return {
      originalUrl: typeof originalUrl === 'string' ? originalUrl : undefined,
      expiresAtMs: typeof expiresAtMs === 'number' ? expiresAtMs : undefined,
    };
  } catch {
    return undefined;
  }
}
