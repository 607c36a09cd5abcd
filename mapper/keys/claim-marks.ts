import type { Pool } from '../../db/redis/pool.ts';
import { isContradiction } from '../../db/store-errors.ts';
import { messageOf } from '../../runtime/errors.ts';
import type { Log } from '../../runtime/log.ts';
import type { IssuedKeys } from './issued-keys.ts';

export interface ClaimMarksOptions {
  readonly pool: Pick<Pool, 'name' | 'claimMarks'>;
  /** Names of the configured keys-dbs. */
  readonly keysDbs: readonly string[];
  readonly issued: Pick<IssuedKeys, 'record'>;
  readonly log: Log;
}

/**
 * Reads the claim marks that a pool stores. Marks that are impossible are not recorded, so that every key may
 * have been issued until they are mended: this mapper then remembers no absence, and is slower at 404s.
 */
export class ClaimMarks {
  readonly #options: ClaimMarksOptions;
  #areImpossible = false;

  constructor(options: ClaimMarksOptions) {
    this.#options = options;
  }

  /** Reads them once. Logs when they become impossible, and when they no longer are. Never rejects. */
  async read(timeoutMs: number): Promise<void> {
    const { pool, keysDbs, issued, log } = this.#options;
    try {
      issued.record(pool.name, await pool.claimMarks(keysDbs, { timeoutMs }));
      if (this.#areImpossible) log.info({ pool: pool.name }, 'claim marks of a pool are used again');
      this.#areImpossible = false;
    } catch (error) {
      // The poll of the pool notices and logs that it does not answer.
      if (!isContradiction(error) || this.#areImpossible) return;
      this.#areImpossible = true;
      log.error(
        { pool: pool.name, reason: messageOf(error) },
        'claim marks of a pool not used until they are mended: no key is remembered as absent',
      );
    }
  }
}
