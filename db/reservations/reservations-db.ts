import { repeatAfterDeadlock } from '../mysql/deadlock.ts';
import type { SqlValue } from '../mysql/driver.ts';
import { openMysql, type Mysql } from '../mysql/mysql.ts';
import { DuplicateRowError } from '../store-errors.ts';
import { readBoundLink, type BoundLink } from './bound-link.ts';
import {
  slotOfHash,
  type Reservation,
  type ReservationKind,
  type ReservationTerms,
  type ReservedLink,
} from './reservation.ts';

/**
 * The reservations of one urls database, and the links of its slots. Every statement goes to the primary.
 *
 * Reads throw StoreUnavailableError and may be repeated. Writes throw OutcomeUnknownError when they may have
 * happened or may still happen: read the reservation, which alone says what counts. StoreUnavailableError:
 * nothing was written.
 */
export interface ReservationsDb {
  readonly name: string;
  readonly slots: readonly number[];
  /** Expired ones are found until they are pruned. */
  find(hash: string): Promise<Reservation | undefined>;
  /** @returns false when there is a reservation with this hash already */
  insert(terms: ReservationTerms, link: ReservedLink): Promise<boolean>;
  /**
   * Puts another link into a reservation, and its terms, if it still has the request id `before`.
   * @returns whether it had
   */
  replace(terms: ReservationTerms, before: string, link: ReservedLink): Promise<boolean>;
  /** See {@link readBoundLink}. */
  findLink(key: string): Promise<BoundLink | undefined>;
  /**
   * Removes up to `count` reservations that have expired. It may be repeated at any time, and run twice at
   * once.
   * @returns how many were removed; fewer than `count`: there are no more
   */
  prune(count: number): Promise<number>;
  close(): Promise<void>;
}

export interface ReservationsDbOptions {
  readonly name: string;
  readonly url: string;
  readonly slots: readonly number[];
  /** Default 2. */
  readonly connections?: number;
  /** Deadline of a statement, in ms. Default 1,500. */
  readonly timeoutMs?: number;
}

/** The least that MySQL knows: it answers that it wrote nothing before the deadline of a write. */
const LOCK_WAIT_S = 1;

const KINDS: Readonly<Record<ReservationKind, number>> = { dedupe: 1, idempotency: 2 };
/** An `Idempotency-Key` whose link was there already, because the request has `find_if_exists` too. */
const FOUND = 3;
/** One of the two values is NULL. */
const EXPIRES_AT = 'COALESCE(?, UTC_TIMESTAMP(3) + INTERVAL ? SECOND)';

/** Connects when first used, on its own connections: no redirect or anonymous shorten waits for it. */
export function openReservationsDb(options: ReservationsDbOptions): ReservationsDb {
  return new MysqlReservationsDb(options);
}

interface Row {
  readonly kind: number;
  readonly unique_id: string;
  readonly request_id: Buffer;
  readonly fingerprint: Buffer;
  readonly created_at: Date;
  readonly is_expired: 0 | 1;
}

class MysqlReservationsDb implements ReservationsDb {
  readonly name: string;
  readonly slots: readonly number[];
  readonly #db: Mysql;
  readonly #timeoutMs: number;

  constructor({ name, url, slots, connections = 2, timeoutMs = 1_500 }: ReservationsDbOptions) {
    this.name = name;
    this.slots = slots;
    this.#timeoutMs = timeoutMs;
    this.#db = openMysql(url, { name, connections, connectTimeoutMs: timeoutMs, lockWaitS: LOCK_WAIT_S });
  }

  async find(hash: string): Promise<Reservation | undefined> {
    const [row] = await this.#db.query<Row>(
      `SELECT kind, unique_id, request_id, fingerprint, created_at,
         COALESCE(expires_at <= UTC_TIMESTAMP(3), 0) AS is_expired
       FROM reservations WHERE slot = ? AND hash = ?`,
      this.#placeOf(hash),
      { timeoutMs: this.#timeoutMs },
    );
    if (row === undefined) return undefined;
    return {
      key: row.unique_id,
      requestId: row.request_id.toString('hex'),
      createdAt: row.created_at,
      fingerprint: row.fingerprint.toString('hex'),
      isExpired: row.is_expired === 1,
      ...(row.kind === FOUND && { isFound: true }),
    };
  }

  async insert(terms: ReservationTerms, link: ReservedLink): Promise<boolean> {
    const sql = `INSERT INTO reservations
        (slot, hash, kind, unique_id, request_id, fingerprint, created_at, expires_at)
      VALUES (?, ?, ?, ?, ?, ?, ?, ${EXPIRES_AT})`;
    const params = [...this.#placeOf(terms.hash), ...toValues(terms, link)];
    try {
      await this.#write(sql, params);
      return true;
    } catch (error) {
      if (error instanceof DuplicateRowError) return false;
      throw error;
    }
  }

  async replace(terms: ReservationTerms, before: string, link: ReservedLink): Promise<boolean> {
    const sql = `UPDATE reservations
      SET kind = ?, unique_id = ?, request_id = ?, fingerprint = ?, created_at = ?, expires_at = ${EXPIRES_AT}
      WHERE slot = ? AND hash = ? AND request_id = ?`;
    const replaced = [...this.#placeOf(terms.hash), Buffer.from(before, 'hex')];
    return (await this.#write(sql, [...toValues(terms, link), ...replaced])) === 1;
  }

  async findLink(key: string): Promise<BoundLink | undefined> {
    return readBoundLink(this.#db, key, this.#timeoutMs);
  }

  async prune(count: number): Promise<number> {
    const sql = `DELETE FROM reservations WHERE expires_at <= UTC_TIMESTAMP(3) ORDER BY expires_at LIMIT ?`;
    return this.#write(sql, [count]);
  }

  async close(): Promise<void> {
    await this.#db.close();
  }

  async #write(sql: string, params: readonly SqlValue[]): Promise<number> {
    return repeatAfterDeadlock(async () => {
      const { affectedRows } = await this.#db.execute(sql, params, { timeoutMs: this.#timeoutMs });
      return affectedRows;
    });
  }

  /** Refuses a slot of another server, because no primary key would protect a reservation here. */
  #placeOf(hash: string): [slot: number, hash: Buffer] {
    const slot = slotOfHash(hash);
    if (!this.slots.includes(slot))
      throw new RangeError(`${this.name} does not own slot ${slot} of reservation ${hash}`);
    return [slot, Buffer.from(hash, 'hex')];
  }
}

function toValues({ kind, fingerprint, keeping }: ReservationTerms, link: ReservedLink): SqlValue[] {
  return [
    link.isFound === true ? FOUND : KINDS[kind],
    link.key,
    Buffer.from(link.requestId, 'hex'),
    Buffer.from(fingerprint, 'hex'),
    link.createdAt,
    'until' in keeping ? keeping.until : null,
    'until' in keeping ? null : keeping.forSeconds,
  ];
}
