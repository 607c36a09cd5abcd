import type { Mysql } from '../mysql/mysql.ts';
import { isOneOf, LINK } from './subject.ts';

/**
 * Owners are remembered for one to two of these times, so that an account that has ended is soon forgotten.
 */
const GENERATION_MS = 30_000;
const MAX_LINKS = 25_000;

/** Who owns the links that are followed. Most links are followed again soon, so it remembers them. */
export class LinkOwners {
  readonly #db: Mysql;
  readonly #now: () => number;
  /** Null: nobody. */
  #recent = new Map<string, bigint | null>();
  #older = new Map<string, bigint | null>();
  #beganMs = 0;

  constructor(db: Mysql, now: () => number) {
    this.#db = db;
    this.#now = now;
  }

  /** The owners of those links that have one. @throws StoreUnavailableError */
  async find(keys: readonly string[], timeoutMs: number): Promise<ReadonlyMap<string, bigint>> {
    this.#forget();
    const owners = new Map<string, bigint>();
    const unknown: string[] = [];
    for (const key of keys) {
      const known = this.#recent.has(key) ? this.#recent : this.#older;
      const owner = known.get(key);
      if (owner === undefined) unknown.push(key);
      else if (owner !== null) owners.set(key, owner);
    }
    if (unknown.length === 0) return owners;
    const rows = await this.#db.queryArrays<[string, string]>(
      `SELECT unique_id, CAST(user_id AS CHAR) FROM urls
       WHERE ${isOneOf(
         LINK,
         unknown.map((key) => LINK.toId(key)),
       )} AND user_id IS NOT NULL`,
      [],
      { timeoutMs },
    );
    for (const key of unknown) this.#recent.set(key, null);
    for (const [key, userId] of rows) {
      this.#recent.set(key, BigInt(userId));
      owners.set(key, BigInt(userId));
    }
    return owners;
  }

  #forget(): void {
    const isOld = this.#now() - this.#beganMs > GENERATION_MS;
    if (!isOld && this.#recent.size < MAX_LINKS) return;
    this.#older = this.#recent;
    this.#recent = new Map();
    this.#beganMs = this.#now();
  }
}
