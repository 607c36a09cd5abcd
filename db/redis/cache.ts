import { randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { Log } from '../../runtime/log.ts';
import type { KeyspaceIdentity } from '../../runtime/config/keyspace-identity.ts';
import { openRedis, type RedisClient } from './redis-client.ts';
import { cacheKey, CACHE_VERSIONS_KEY } from './redis-keys.ts';
import { SCRIPTS } from './redis-scripts.ts';

/** The answer of a cache shard for a key. */
export interface CacheAnswer {
  readonly value: string | undefined;
  /** Time until the value expires. */
  readonly remainingMs: number;
  /** For {@link CacheDb.fill}. Empty when there is a value. */
  readonly version: string;
}

/** What is stored for a key. */
export interface CacheEntry {
  /** Of the {@link CacheAnswer} that had no value. */
  readonly version: string;
  readonly value: string;
  readonly ttlMs: number;
}

/**
 * One Redis server that caches links. It is not a server of the pools, so it may evict and lose any entry.
 * Run it with `maxmemory-policy volatile-lru`: entries expire, but the versions, which fence late fills, do
 * not expire and must stay.
 *
 * Every method throws StoreUnavailableError or OutcomeUnknownError within the deadline.
 */
export interface CacheDb extends AsyncDisposable {
  readonly name: string;
  /** Whether it answered last. */
  readonly isConnected: boolean;
  /** Resolves to whether the shard was connected within `timeoutMs`. */
  whenConnected(timeoutMs: number): Promise<boolean>;
  read(key: string): Promise<CacheAnswer>;
  /** Stores the entry, unless the key was invalidated after its version was read. */
  fill(key: string, entry: CacheEntry): Promise<boolean>;
  forget(key: string): Promise<void>;
}

export interface CacheDbOptions {
  readonly name: string;
  readonly url: string;
  readonly log: Log;
  /** Of this cluster: a cache shard that two clusters share mixes none of their links. */
  readonly keyspace: KeyspaceIdentity;
  /** Deadline of a command, in ms. After it, a read of the database is faster. Default 20. */
  readonly timeoutMs?: number;
}

/**
 * Keys of a stripe share a version. An invalidation also refuses the fills in flight for the other keys of
 * its stripe.
 */
const STRIPES = 4_096;
const TIMEOUT_MS = 20;
/** 48 bits: among a thousand clusters, no two have the same. */
const SCOPE_CHARACTERS = 12;
const FORGET_TIMEOUT_MS = 250;

/** Starts connecting in the background and returns immediately. */
export function openCacheDb(options: CacheDbOptions): CacheDb {
  const { name, url, keyspace, log, timeoutMs = TIMEOUT_MS } = options;
  const scope = keyspace.fingerprint.slice(0, SCOPE_CHARACTERS);
  return new RedisCache(openRedis(url, { name, log, commandTimeoutMs: timeoutMs }), scope);
}

class RedisCache implements CacheDb {
  readonly name: string;
  readonly #redis: RedisClient;
  readonly #scope: string;

  constructor(redis: RedisClient, scope: string) {
    this.name = redis.name;
    this.#redis = redis;
    this.#scope = scope;
  }

  get isConnected(): boolean {
    return this.#redis.isConnected;
  }

  async whenConnected(timeoutMs: number): Promise<boolean> {
    return this.#redis.whenConnected(timeoutMs);
  }

  async read(key: string): Promise<CacheAnswer> {
    const args = [stripeOf(key), randomVersion()];
    const reply = await this.#redis.run(SCRIPTS.cacheRead, this.#keysOf(key), args);
    const [value, remainingMs, version] = reply as [string | null, number, string];
    return { value: value ?? undefined, remainingMs, version };
  }

  async fill(key: string, { version, value, ttlMs }: CacheEntry): Promise<boolean> {
    const args = [stripeOf(key), version, value, ttlMs];
    return (await this.#redis.run(SCRIPTS.cacheFill, this.#keysOf(key), args)) === 1;
  }

  async forget(key: string): Promise<void> {
    const args = [stripeOf(key), randomVersion()];
    await this.#redis.run(SCRIPTS.cacheForget, this.#keysOf(key), args, { timeoutMs: FORGET_TIMEOUT_MS });
  }

  #keysOf(key: string): [string, string] {
    return [cacheKey(this.#scope, key), CACHE_VERSIONS_KEY];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#redis[Symbol.asyncDispose]();
  }
}

function stripeOf(key: string): number {
  return crc32(key) % STRIPES;
}

function randomVersion(): string {
  return randomBytes(8).toString('base64url');
}
