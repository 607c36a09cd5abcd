import type { Log } from '../../runtime/log.ts';

/**
 * Why a pool that answers is not used. `mismatch`: it belongs to another keyspace; `impossible`: its Redis
 * holds a value that no program of ours writes; `malformed`: it gave texts that are no keys.
 */
export type RefusalReason = 'mismatch' | 'impossible' | 'malformed';

/** Whether and why a pool is not used. Logs when this changes, and never twice for one reason. */
export class Refusal {
  readonly #pool: string;
  readonly #log: Log;
  #reason: RefusalReason | undefined;

  constructor(pool: string, log: Log) {
    this.#pool = pool;
    this.#log = log;
  }

  /** Undefined while the pool may be used. */
  get reason(): RefusalReason | undefined {
    return this.#reason;
  }

  begin(reason: RefusalReason, message: string): void {
    if (reason === this.#reason) return;
    this.#reason = reason;
    this.#log.error({ pool: this.#pool, why: reason, reason: message }, 'pool not used until it is mended');
  }

  end(): void {
    if (this.#reason === undefined) return;
    this.#reason = undefined;
    this.#log.info({ pool: this.#pool }, 'pool used again');
  }
}
