import type { Log } from '../../runtime/log.ts';
import { openRedis, type RedisClient } from './redis-client.ts';
import { MAPPER_PREFIX, mapperKey, MAPPERS_KEY } from './redis-keys.ts';
import { SCRIPTS } from './redis-scripts.ts';

/** An entry that was not renewed for so long vanishes: its mapper has ended, or cannot reach this Redis. */
export const ENTRY_TTL_MS = 10_000;
const TIMEOUT_MS = 500;
const NAMES_PER_SCAN = 1_000;
/** No small cluster has as many mappers. */
const MAX_LISTED = 1_000;

/**
 * The mappers of a cluster without ZooKeeper, as entries in its first Redis. They only tell operators which
 * mappers there are: no mapper depends on them.
 *
 * Every method throws StoreUnavailableError or OutcomeUnknownError within the deadline.
 */
export class MapperEntries implements AsyncDisposable {
  readonly #redis: RedisClient;

  /** Starts connecting in the background. */
  constructor({ name, url, log }: { readonly name: string; readonly url: string; readonly log: Log }) {
    this.#redis = openRedis(url, { name, log, commandTimeoutMs: TIMEOUT_MS });
  }

  /** Resolves to whether the server was connected within `timeoutMs`. */
  async whenConnected(timeoutMs: number): Promise<boolean> {
    return this.#redis.whenConnected(timeoutMs);
  }

  /** Writes the entry of a mapper, or renews it. @param json what it says about itself */
  async keep(id: string, json: string): Promise<void> {
    await this.#redis.run(SCRIPTS.keepEntry, [mapperKey(id), MAPPERS_KEY], [id, json, ENTRY_TTL_MS]);
  }

  /** Removes the entry of a mapper that ends, unless another mapper of that id has replaced it. */
  async remove(id: string, json: string): Promise<void> {
    await this.#redis.run(SCRIPTS.removeEntry, [mapperKey(id), MAPPERS_KEY], [id, json]);
  }

  /**
   * What every mapper says about itself, by id, from the list of those that run: two cheap commands, however
   * much there is in this Redis. Mappers of earlier releases are not in the list.
   */
  async list(): Promise<ReadonlyMap<string, string>> {
    const ids = (await this.#redis.command('ZRANGE', [MAPPERS_KEY, 0, MAX_LISTED - 1])) as string[];
    return this.#readAll(ids.map(mapperKey));
  }

  /**
   * What every mapper says about itself, by id. Redis walks over all of its keys: for commands that must miss
   * nobody, not for what looks again and again.
   */
  async read(): Promise<ReadonlyMap<string, string>> {
    const names = new Set<string>();
    for (let cursor = ''; cursor !== '0';) {
      const args = [cursor || '0', 'MATCH', `${MAPPER_PREFIX}*`, 'COUNT', NAMES_PER_SCAN];
      const [next, found] = (await this.#redis.command('SCAN', args)) as [string, string[]];
      for (const name of found) names.add(name);
      cursor = next;
    }
    return this.#readAll([...names]);
  }

  async #readAll(names: readonly string[]): Promise<ReadonlyMap<string, string>> {
    if (names.length === 0) return new Map();
    const texts = (await this.#redis.command('MGET', [...names])) as (string | null)[];
    return new Map(
      names.flatMap((name, index) => {
        const text = texts[index];
        // It has expired meanwhile.
        return typeof text === 'string' ? [[name.slice(MAPPER_PREFIX.length), text] as const] : [];
      }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#redis[Symbol.asyncDispose]();
  }
}
