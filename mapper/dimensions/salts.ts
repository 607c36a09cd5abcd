import { randomBytes } from 'node:crypto';
import type { Log } from '../../runtime/log.ts';
import { VisitorHash } from './visitor-hash.ts';

export interface SaltsOptions {
  /**
   * The salt that all processes use on a day: the given one, if there is none yet. Undefined: there is no
   * users database.
   * @param day UTC, `YYYY-MM-DD`
   */
  readonly share: ((day: string, salt: Buffer) => Promise<Buffer>) | undefined;
  /** Wall clock in ms. */
  readonly now: () => number;
  readonly log: Log;
}

const DAY_MS = 86_400_000;
/** So early a process asks for the salt of the next day: none shall use its own at midnight. */
const AHEAD_MS = 3_600_000;

interface Salt {
  readonly hash: VisitorHash;
  readonly isShared: boolean;
}

const SALT_BYTES = 32;

/**
 * The salts under which visitors are counted. Until the users database has said the salt of a day, this
 * process uses one of its own: then it counts visitors that other processes count too.
 */
export class Salts {
  readonly #options: SaltsOptions;
  /** By the day, in full days since 1970 in UTC. */
  readonly #salts = new Map<number, Salt>();

  constructor(options: SaltsOptions) {
    this.#options = options;
  }

  /** Hashes visitors under the salt of a day. @param day full days since 1970 in UTC */
  of(day: number): VisitorHash {
    const known = this.#salts.get(day);
    if (known !== undefined) return known.hash;
    const hash = new VisitorHash(randomBytes(SALT_BYTES));
    this.#salts.set(day, { hash, isShared: false });
    return hash;
  }

  /** Asks for the salts of today and, before midnight, of tomorrow; forgets old ones. Never rejects. */
  async refresh(): Promise<void> {
    const { share, now, log } = this.#options;
    const nowMs = now();
    const today = Math.floor(nowMs / DAY_MS);
    for (const day of this.#salts.keys()) if (day < today - 1) this.#salts.delete(day);
    if (share === undefined) return;
    try {
      for (const day of new Set([today, Math.floor((nowMs + AHEAD_MS) / DAY_MS)])) {
        if (this.#salts.get(day)?.isShared === true) continue;
        const salt = await share(new Date(day * DAY_MS).toISOString().slice(0, 10), randomBytes(SALT_BYTES));
        this.#salts.set(day, { hash: new VisitorHash(salt), isShared: true });
      }
    } catch (error) {
      log.debug({ error }, 'salt of visitors: not shared yet; the next attempt follows');
    }
  }
}
