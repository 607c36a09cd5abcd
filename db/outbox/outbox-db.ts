import { repeatAfterDeadlock } from '../mysql/deadlock.ts';
import { openMysql, type Mysql } from '../mysql/mysql.ts';

/** An event that no webhook was looked up for yet. Ids are 32 hexadecimal digits. */
export interface WaitingEvent {
  readonly slot: number;
  readonly id: string;
  readonly userId: bigint;
  readonly event: string;
}

/** An event on its way to one webhook. */
export interface ClaimedDelivery {
  readonly slot: number;
  readonly id: string;
  /** The same for all webhooks and all attempts. */
  readonly eventId: string;
  readonly event: string;
  readonly body: string;
  readonly createdAt: Date;
  /** How many attempts have failed. */
  readonly attempts: number;
}

/** For one webhook: a copy of an event. */
export interface Copy {
  readonly event: WaitingEvent;
  /** Of the new row. */
  readonly id: string;
  readonly webhookId: string;
}

/** How many events wait for one webhook. */
export interface Waiting {
  /** Those of `link.clicked`. */
  readonly clicks: number;
  /** All others. */
  readonly changes: number;
}

/** Whose rows are due. */
export interface DueWebhook {
  readonly webhookId: string;
  /** How long the oldest is due. */
  readonly lateMs: number;
}

/**
 * The events of one urls database on their way to webhooks. A row is claimed by one process at a time: until
 * its lease is over, nobody else takes it. All times are those of the server.
 *
 * Every method may throw StoreUnavailableError, those that write OutcomeUnknownError.
 */
export interface OutboxDb {
  readonly name: string;
  /** Claims up to `count` events that no webhook was looked up for, the longest waiting first. */
  claimEvents(claim: string, count: number): Promise<WaitingEvent[]>;
  /** The events of a claim are due again, for any process. */
  releaseEvents(claim: string): Promise<void>;
  /** Replaces the events of a claim by their copies, in one transaction. */
  replace(claim: string, copies: readonly Copy[]): Promise<void>;
  /**
   * The webhooks with rows that are due, in the order of their ids.
   * @param after undefined: from the first on
   */
  listDue(after: string | undefined, count: number): Promise<DueWebhook[]>;
  /** How many rows of a webhook wait. Stops when it has counted `most` of them. */
  countWaiting(webhookId: string, most: number): Promise<Waiting>;
  /** Claims up to `count` due rows of a webhook, the longest waiting first. */
  claim(claim: string, webhookId: string, count: number): Promise<ClaimedDelivery[]>;
  /** Removes rows of a claim: they were delivered, or given up. */
  remove(claim: string, rows: readonly ClaimedDelivery[]): Promise<void>;
  /** A claimed row is due again after a pause, with one more attempt. */
  postpone(claim: string, row: ClaimedDelivery, pauseMs: number): Promise<void>;
  /** A claimed row is due again, for any process. */
  release(claim: string, row: ClaimedDelivery): Promise<void>;
  /** Removes rows of a webhook that is gone or off. @returns how many */
  drop(webhookId: string): Promise<number>;
  close(): Promise<void>;
}

/** An attempt takes 10 s and a little more. */
const LEASE_S = 30;
const DROPPED_AT_ONCE = 1_000;
const TIMEOUT_MS = 2_500;
const NOW = 'UTC_TIMESTAMP(3)';

/** Connects when first used, on its own connections: no request waits for deliveries. */
export function openOutboxDb({
  name,
  url,
  slots,
}: {
  name: string;
  url: string;
  slots: readonly number[];
}): OutboxDb {
  return new MysqlOutboxDb(openMysql(url, { name, connections: 2, canTransact: true }), slots);
}

interface EventRow {
  readonly slot: number;
  readonly id: string;
  readonly user_id: string;
  readonly event: string;
}

interface ClaimedRow {
  readonly slot: number;
  readonly id: string;
  readonly event_id: string;
  readonly event: string;
  readonly body: string;
  readonly created_at: Date;
  readonly attempts: number;
}

class MysqlOutboxDb implements OutboxDb {
  readonly #db: Mysql;
  /** Rows of other slots are left behind by a move of slots, and are delivered where the slot is now. */
  readonly #ours: string;

  constructor(db: Mysql, slots: readonly number[]) {
    this.#db = db;
    this.#ours = `slot IN (${slots.join(',')})`;
  }

  get name(): string {
    return this.#db.name;
  }

  async claimEvents(claim: string, count: number): Promise<WaitingEvent[]> {
    if (!(await this.#claimWhere(claim, 'webhook_id IS NULL', count))) return [];
    const rows = await this.#db.query<EventRow>(
      `SELECT slot, LOWER(HEX(id)) AS id, CAST(user_id AS CHAR) AS user_id, event
         FROM outbox WHERE claim = x'${claim}'`,
    );
    return rows.map((row) => ({ ...row, userId: BigInt(row.user_id) }));
  }

  async releaseEvents(claim: string): Promise<void> {
    await this.#db.execute(`UPDATE outbox SET claim = NULL, due_at = ${NOW} WHERE claim = x'${claim}'`, [], {
      timeoutMs: TIMEOUT_MS,
    });
  }

  async replace(claim: string, copies: readonly Copy[]): Promise<void> {
    const wanted = copies.map(
      ({ event, id, webhookId }) =>
        `SELECT ${event.slot} AS slot, x'${event.id}' AS event_id, x'${id}' AS id, x'${webhookId}' AS webhook_id`,
    );
    const insert = `INSERT INTO outbox
        (slot, id, user_id, event, body, created_at, webhook_id, event_id, due_at)
      SELECT events.slot, copies.id, user_id, event, body, created_at, copies.webhook_id, events.id, ${NOW}
        FROM (${wanted.join(' UNION ALL ')}) AS copies
        JOIN outbox AS events ON events.slot = copies.slot AND events.id = copies.event_id
        WHERE events.claim = x'${claim}'`;
    const remove = `DELETE FROM outbox WHERE claim = x'${claim}'`;
    await repeatAfterDeadlock(async () =>
      this.#db.transact([...(copies.length > 0 ? [insert] : []), remove], [], { timeoutMs: TIMEOUT_MS }),
    );
  }

  async listDue(after: string | undefined, count: number): Promise<DueWebhook[]> {
    const behind = after === undefined ? 'IS NOT NULL' : `> x'${after}'`;
    const rows = await this.#db.query<{ id: string; late_ms: number | string }>(
      `SELECT LOWER(HEX(webhook_id)) AS id, TIMESTAMPDIFF(MICROSECOND, MIN(due_at), ${NOW}) DIV 1000 AS late_ms
         FROM outbox WHERE webhook_id ${behind} GROUP BY webhook_id
         HAVING MIN(due_at) <= ${NOW} ORDER BY webhook_id LIMIT ?`,
      [count],
      { timeoutMs: TIMEOUT_MS },
    );
    return rows.map(({ id, late_ms: lateMs }) => ({ webhookId: id, lateMs: Number(lateMs) }));
  }

  async countWaiting(webhookId: string, most: number): Promise<Waiting> {
    const [row] = await this.#db.queryArrays<[number | string, number | string]>(
      `SELECT COUNT(*), COALESCE(SUM(event = 'link.clicked'), 0)
         FROM (SELECT event FROM outbox WHERE webhook_id = x'${webhookId}' LIMIT ?) AS some`,
      [most],
    );
    const [all, clicks] = row?.map(Number) ?? [];
    return { clicks: clicks ?? 0, changes: (all ?? 0) - (clicks ?? 0) };
  }

  async claim(claim: string, webhookId: string, count: number): Promise<ClaimedDelivery[]> {
    if (!(await this.#claimWhere(claim, `webhook_id = x'${webhookId}'`, count))) return [];
    const rows = await this.#db.query<ClaimedRow>(
      `SELECT slot, LOWER(HEX(id)) AS id, LOWER(HEX(event_id)) AS event_id, event, body, created_at, attempts
         FROM outbox WHERE claim = x'${claim}'`,
    );
    return rows.map(({ event_id: eventId, created_at: createdAt, ...row }) => ({
      ...row,
      eventId,
      createdAt,
    }));
  }

  async remove(claim: string, rows: readonly ClaimedDelivery[]): Promise<void> {
    if (rows.length === 0) return;
    const places = rows.map(({ slot, id }) => `(${slot},x'${id}')`);
    await repeatAfterDeadlock(async () =>
      this.#db.execute(
        `DELETE FROM outbox WHERE (slot, id) IN (${places.join(',')}) AND claim = x'${claim}'`,
        [],
        { timeoutMs: TIMEOUT_MS },
      ),
    );
  }

  async release(claim: string, row: ClaimedDelivery): Promise<void> {
    await this.#giveBack(claim, row, { pauseMs: 0, failed: 0 });
  }

  async postpone(claim: string, row: ClaimedDelivery, pauseMs: number): Promise<void> {
    await this.#giveBack(claim, row, { pauseMs, failed: 1 });
  }

  async #giveBack(
    claim: string,
    { slot, id }: ClaimedDelivery,
    { pauseMs, failed }: { pauseMs: number; failed: 0 | 1 },
  ): Promise<void> {
    await repeatAfterDeadlock(async () =>
      this.#db.execute(
        `UPDATE outbox SET claim = NULL, attempts = attempts + ?, due_at = ${NOW} + INTERVAL ? MICROSECOND
           WHERE slot = ? AND id = x'${id}' AND claim = x'${claim}'`,
        [failed, Math.round(pauseMs) * 1_000, slot],
        { timeoutMs: TIMEOUT_MS },
      ),
    );
  }

  async drop(webhookId: string): Promise<number> {
    const { affectedRows } = await repeatAfterDeadlock(async () =>
      this.#db.execute(`DELETE FROM outbox WHERE webhook_id = x'${webhookId}' LIMIT ${DROPPED_AT_ONCE}`),
    );
    return affectedRows;
  }

  async close(): Promise<void> {
    await this.#db.close();
  }

  /** @returns whether there was any */
  async #claimWhere(claim: string, condition: string, count: number): Promise<boolean> {
    const { affectedRows } = await repeatAfterDeadlock(async () =>
      this.#db.execute(
        // Without the hint, the server reads all rows of our slots: 60 ms where 40,000 wait.
        `UPDATE outbox FORCE INDEX (outbox_webhook) SET claim = x'${claim}', due_at = ${NOW} + INTERVAL ${LEASE_S} SECOND
           WHERE ${condition} AND due_at <= ${NOW} AND ${this.#ours} ORDER BY due_at LIMIT ?`,
        [count],
        { timeoutMs: TIMEOUT_MS },
      ),
    );
    return affectedRows > 0;
  }
}
