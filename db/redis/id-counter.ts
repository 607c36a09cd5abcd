import { formatIdentity, type KeyspaceIdentity } from '../../runtime/config/keyspace-identity.ts';
import type { Log } from '../../runtime/log.ts';
import { parseCount } from '../../runtime/stored-values.ts';
import { isWrongType, translateRefusal, wrongType } from './pool-replies.ts';
import { openRedis, type RedisClient } from './redis-client.ts';
import { COUNTER_KEY, KEYSPACE_KEY } from './redis-keys.ts';
import { SCRIPTS } from './redis-scripts.ts';

export interface IdCounterOptions {
  readonly name: string;
  readonly url: string;
  /** The Redis must belong to it. The first call records it. */
  readonly keyspace: KeyspaceIdentity;
  readonly log: Log;
}

/** A batch waits for the answer, and comes without the counter when there is none. */
const TIMEOUT_MS = 250;

/**
 * The counter of keys on one Redis. It may fall or repeat itself when that Redis loses its last writes, so
 * its answers are proposals.
 */
export class IdCounter implements AsyncDisposable {
  readonly #redis: RedisClient;
  readonly #identity: string;
  readonly #keyspace: KeyspaceIdentity;

  /** Starts connecting in the background. */
  constructor({ name, url, keyspace, log }: IdCounterOptions) {
    this.#redis = openRedis(url, { name, log, commandTimeoutMs: TIMEOUT_MS });
    this.#keyspace = keyspace;
    this.#identity = formatIdentity(keyspace);
  }

  get name(): string {
    return this.#redis.name;
  }

  /** Resolves to whether the server was connected within `timeoutMs`. */
  async whenConnected(timeoutMs: number): Promise<boolean> {
    return this.#redis.whenConnected(timeoutMs);
  }

  /**
   * Moves the counter forwards by `count`. Below `mark` or above `ceiling`, it is set to `mark` first.
   * @returns the id after which the proposed ones begin, and the counter as it was
   * @throws StoreUnavailableError; OutcomeUnknownError, then the ids are lost; MismatchError when the Redis
   *   belongs to another keyspace; ImpossibleValueError when the counter is no number
   */
  async next(
    count: number,
    { mark, ceiling }: { readonly mark: number; readonly ceiling: number },
  ): Promise<{ readonly from: number; readonly was: number }> {
    const keys = [COUNTER_KEY, KEYSPACE_KEY];
    try {
      const args = [count, mark, ceiling, this.#identity];
      const [from, was] = (await this.#redis.run(SCRIPTS.nextIds, keys, args)) as [unknown, unknown];
      const source = { store: this.name, what: COUNTER_KEY };
      return { from: parseCount(from, source), was: parseCount(was, source) };
    } catch (error) {
      if (isWrongType(error)) throw wrongType(await this.#types(keys), this.name);
      throw translateRefusal(error, this.#keyspace, this.name);
    }
  }

  async #types(keys: readonly string[]): Promise<Map<string, unknown>> {
    const types = await Promise.all(
      keys.map(async (key) => this.#redis.command('TYPE', [key]).catch(() => 'none')),
    );
    return new Map(keys.map((key, index) => [key, types[index]]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#redis[Symbol.asyncDispose]();
  }
}
