import { IMPORT_FILES_KEPT_MS, type ImportJobs } from '../../db/accounts/import-jobs.ts';
import type { UsersDb } from '../../db/accounts/users-db.ts';
import { isAboutStore, isContradiction, isOutage, QueueFullError } from '../../db/store-errors.ts';
import { Breaker } from '../../runtime/breaker.ts';
import { USERS_DB_BREAKER } from '../../runtime/config/breakers.ts';
import { KEPT_IMPORT_DAYS } from '../../runtime/config/config.ts';
import { messageOf } from '../../runtime/errors.ts';
import type { Log } from '../../runtime/log.ts';
import { logBreaker } from '../../runtime/log-breaker.ts';
import { Problem } from '../http/problem.ts';

export interface UsersStoreOptions {
  /** Undefined: this mapper has none. */
  readonly db: UsersDb | undefined;
  /** How long imports stay in the list of their user. Default: {@link KEPT_IMPORT_DAYS}. */
  readonly keptImportDays?: number | undefined;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly log: Log;
}

const DAY_MS = 86_400_000;
/** How long a report is kept. */
const REPORTS_MS = 90 * DAY_MS;
/** How long the outcome of a delivery to a webhook is kept. */
const DELIVERIES_MS = 30 * DAY_MS;

/** How long an upload may take. */
const UPLOADS_MS = 6 * 3_600_000;
/** Of one sweep, 8 MB each: a sixth of the largest file a minute. */
const MAX_IMPORT_PIECES = 200;

const NOT_CONFIGURED = 'This mapper has no users database (KEYMILL_USERS_DB).';
const AWAY = 'The users database cannot be reached just now.';
const BUSY = 'Too many requests wait for the users database at this moment.';
const UNSUITABLE = 'The users database is not ready for this version: run "keymill prepare".';

/**
 * The users database of a mapper, up or down. Links are followed and made without it; only the requests that
 * need an account are refused while it is away.
 */
export class UsersStore {
  readonly #db: UsersDb | undefined;
  readonly #keptImportsMs: number;
  readonly #log: Log;
  readonly #breaker: Breaker;
  /** Why a person must mend it; undefined when it fits. */
  #contradiction: string | undefined;
  #isVerified = false;
  #takesWrites = true;

  constructor({ db, keptImportDays = KEPT_IMPORT_DAYS, now, log }: UsersStoreOptions) {
    this.#db = db;
    this.#keptImportsMs = keptImportDays * DAY_MS;
    this.#log = log;
    this.#breaker = new Breaker({
      ...USERS_DB_BREAKER,
      now,
      onChanged: logBreaker(log, 'users database: breaker changed', { store: 'users' }),
    });
  }

  get isConfigured(): boolean {
    return this.#db !== undefined;
  }

  get isUp(): boolean {
    return this.#isVerified && this.#breaker.isClosed;
  }

  /** Whether it answers and takes changes: sessions, keys, accounts. */
  get isWritable(): boolean {
    return this.isUp && this.#takesWrites;
  }

  /** It answers, and a person must mend it. */
  get isRefused(): boolean {
    return this.#contradiction !== undefined;
  }

  /**
   * Removes what is over: sessions, password links, salts of visitors, reports, outcomes of deliveries to
   * webhooks, and imports with their files, some at a time. Never rejects.
   */
  async sweep(): Promise<void> {
    if (!this.isUp) return;
    const now = new Date();
    await this.#db?.sessions.removeExpired(now).catch(() => undefined);
    await this.#db?.salts.removeOlder().catch(() => undefined);
    await this.#db?.reports.removeOlder(new Date(now.getTime() - REPORTS_MS)).catch(() => undefined);
    const deliveriesThan = new Date(now.getTime() - DELIVERIES_MS);
    await this.#db?.webhookDeliveries.removeOlder(deliveriesThan).catch(() => undefined);
    await this.#db?.webhooks.forgetPrevious(now).catch(() => undefined);
    await this.#sweepImports(now.getTime()).catch(() => undefined);
  }

  async #sweepImports(nowMs: number): Promise<void> {
    const before = (ms: number): Date => new Date(nowMs - ms);
    const [jobs, files] = [before(this.#keptImportsMs), before(IMPORT_FILES_KEPT_MS)];
    const bounds = { jobs, files, uploads: before(UPLOADS_MS) };
    for (let pieces = 0; pieces < MAX_IMPORT_PIECES; pieces += 1)
      if ((await this.#db?.imports.sweep(bounds)) !== true) return;
  }

  /** Asks whether it answers and has our tables. Never rejects. */
  async poll(): Promise<void> {
    const db = this.#db;
    if (db === undefined || !(this.#breaker.isClosed || this.#breaker.tryTrial())) return;
    try {
      await db.verify();
      this.#breaker.succeeded();
      this.#verified(undefined);
    } catch (error) {
      if (isContradiction(error)) this.#verified(messageOf(error));
      if (isAboutStore(error)) this.#breaker.failed(error);
    }
  }

  /** Asks whether it takes changes. Never rejects. */
  async pollWrites(): Promise<void> {
    const db = this.#db;
    if (db === undefined || !this.isUp) return;
    const reason = await db.checkWrites().then(
      () => undefined,
      (error: unknown) => (isOutage(error) ? messageOf(error) : undefined),
    );
    const takesWrites = reason === undefined;
    if (takesWrites === this.#takesWrites) return;
    this.#takesWrites = takesWrites;
    if (takesWrites) this.#log.info('users database: takes changes again');
    else this.#log.warn({ reason }, 'users database: takes no changes');
  }

  /**
   * Does `work` with the database.
   * @throws Problem 503 that says what is missing, when it is not there or does not answer, or when too many
   *   wait for it
   */
  async ask<T>(work: (db: UsersDb) => Promise<T>): Promise<T> {
    const db = this.#requireDb();
    try {
      const result = await work(db);
      this.#breaker.succeeded();
      return result;
    } catch (cause) {
      if (isOutage(cause)) this.#breaker.failed(cause);
      throw toProblem(cause);
    }
  }

  /**
   * Does `work` with the jobs of imports, whose failures never keep others from the database: they have
   * connections of their own, and statements that are large.
   * @throws Problem 503, as `ask`
   */
  async askImports<T>(work: (jobs: ImportJobs) => Promise<T>): Promise<T> {
    const { imports } = this.#requireDb();
    try {
      return await work(imports);
    } catch (cause) {
      throw toProblem(cause);
    }
  }

  #requireDb(): UsersDb {
    const db = this.#db;
    if (db === undefined) throw new Problem('no-accounts', { detail: NOT_CONFIGURED });
    if (this.#contradiction !== undefined) throw new Problem('no-accounts', { detail: UNSUITABLE });
    if (!this.#breaker.isClosed) throw new Problem('no-accounts', { detail: AWAY });
    return db;
  }

  #verified(contradiction: string | undefined): void {
    if (this.#isVerified === (contradiction === undefined) && this.#contradiction === contradiction) return;
    this.#isVerified = contradiction === undefined;
    this.#contradiction = contradiction;
    if (contradiction === undefined) this.#log.info('users database: in use');
    else this.#log.error({ reason: contradiction }, 'users database: not used until a person mends it');
  }
}

/** What a request is answered with. Other errors stay as they are. */
function toProblem(cause: unknown): unknown {
  if (isContradiction(cause)) return new Problem('no-accounts', { detail: UNSUITABLE, cause });
  if (cause instanceof QueueFullError) return new Problem('overloaded', { detail: BUSY, cause });
  return isOutage(cause) ? new Problem('no-accounts', { detail: AWAY, cause }) : cause;
}
