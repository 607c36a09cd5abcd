import { createHmac } from 'node:crypto';
import type { KeyspaceIdentity } from '../../runtime/config/keyspace-identity.ts';
import type { Log } from '../../runtime/log.ts';
import { openRedis, type RedisClient } from './redis-client.ts';
import { clientCountKey } from './redis-keys.ts';
import { SCRIPTS } from './redis-scripts.ts';

export interface ClientCountsOptions {
  readonly name: string;
  readonly url: string;
  readonly log: Log;
  /** Of this cluster: two clusters that share a server do not share their counts. */
  readonly keyspace: KeyspaceIdentity;
  /** Only its holders can find out which address a counter is of. */
  readonly secret: string;
  /** Milliseconds since 1970. */
  readonly nowMs: () => number;
}

/** A request waits for its count, so a server that answers later than this counts as away. */
const TIMEOUT_MS = 250;
const SCOPE_CHARACTERS = 12;
const DAY_MS = 86_400_000;

/**
 * Counts the requests of clients on one Redis server, for all mappers. It stores no address: a client is an
 * HMAC of its address under a salt that changes every day.
 */
export class ClientCounts implements AsyncDisposable {
  readonly #redis: RedisClient;
  readonly #options: ClientCountsOptions;
  #salt: Buffer = Buffer.alloc(0);
  #day = -1;

  /** Starts connecting in the background. */
  constructor(options: ClientCountsOptions) {
    const { name, url, log } = options;
    this.#redis = openRedis(url, { name, log, commandTimeoutMs: TIMEOUT_MS });
    this.#options = options;
  }

  get name(): string {
    return this.#redis.name;
  }

  get isConnected(): boolean {
    return this.#redis.isConnected;
  }

  /** Resolves to whether the server was connected within `timeoutMs`. */
  async whenConnected(timeoutMs: number): Promise<boolean> {
    return this.#redis.whenConnected(timeoutMs);
  }

  /**
   * Counts one request in the window of a client, which begins with its first request.
   * @throws StoreUnavailableError, OutcomeUnknownError
   */
  async hit(
    { name: limit, windowMs }: { readonly name: string; readonly windowMs: number },
    client: string,
  ): Promise<{ count: number; remainingMs: number }> {
    const { keyspace } = this.#options;
    const scope = keyspace.fingerprint.slice(0, SCOPE_CHARACTERS);
    const name = createHmac('sha256', this.#saltOfDay()).update(client).digest('base64url');
    const reply = await this.#redis.run(SCRIPTS.count, [clientCountKey(scope, limit, name)], [windowMs]);
    const [count, remainingMs] = reply as [number, number];
    return { count, remainingMs };
  }

  #saltOfDay(): Buffer {
    const { secret, nowMs } = this.#options;
    const day = Math.floor(nowMs() / DAY_MS);
    if (day !== this.#day) {
      this.#day = day;
      this.#salt = createHmac('sha256', secret).update(`clients of day ${day}`).digest();
    }
    return this.#salt;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#redis[Symbol.asyncDispose]();
  }
}
