import { repeatAfterDeadlock } from '../mysql/deadlock.ts';
import type { Mysql } from '../mysql/mysql.ts';

/** One attempt to deliver an event. Ids are 32 hexadecimal digits. */
export interface WebhookDelivery {
  readonly id: string;
  readonly webhookId: string;
  readonly attemptedAt: Date;
  readonly eventId: string;
  readonly event: string;
  /** 1: the first. */
  readonly attempt: number;
  /** Of the answer; null: none came. */
  readonly status: number | null;
  /** Why it failed; null: it did not. */
  readonly reason: string | null;
  readonly tookMs: number;
  /** When it is tried again; null: never. */
  readonly nextAt: Date | null;
}

/** The place of a delivery among those of its webhook. */
export type DeliveryPosition = Pick<WebhookDelivery, 'attemptedAt' | 'id'>;

interface DeliveryRow {
  readonly id: string;
  readonly webhook_id: string;
  readonly attempted_at: Date;
  readonly event_id: string;
  readonly event: string;
  readonly attempt: number;
  readonly status: number | null;
  readonly reason: string | null;
  readonly took_ms: number;
  readonly next_at: Date | null;
}

const COLUMNS =
  'webhook_id, attempted_at, delivery_id, event_id, event, attempt, status, reason, took_ms, next_at';
/** The newest deliveries of each webhook that are kept. */
const KEPT = 1_000;
const REMOVED_AT_ONCE = 5_000;
const MAX_REASON = 1_000;

/**
 * What became of deliveries, the newest {@link KEPT} of each webhook. Every method may throw
 * StoreUnavailableError, those that write OutcomeUnknownError.
 */
export class WebhookDeliveries {
  readonly #db: Mysql;

  constructor(db: Mysql) {
    this.#db = db;
  }

  /** Those of webhooks that are gone are dropped. May be repeated. */
  async add(deliveries: readonly WebhookDelivery[]): Promise<void> {
    if (deliveries.length === 0) return;
    const rows = deliveries.map((one) => [
      toBytes(one.webhookId),
      one.attemptedAt,
      toBytes(one.id),
      toBytes(one.eventId),
      one.event,
      one.attempt,
      one.status,
      one.reason?.slice(0, MAX_REASON) ?? null,
      Math.round(one.tookMs),
      one.nextAt,
    ]);
    const ids = [...new Set(deliveries.map(({ webhookId }) => webhookId))].map(toBytes);
    const oldest = new Date(Math.min(...deliveries.map(({ attemptedAt }) => attemptedAt.getTime())));
    await repeatAfterDeadlock(async () =>
      this.#db.transact(
        [
          `INSERT INTO webhook_deliveries (${COLUMNS}) VALUES ?
             ON DUPLICATE KEY UPDATE webhook_deliveries.attempt = webhook_deliveries.attempt`,
          // A webhook may be deleted while its last deliveries are under way.
          `DELETE webhook_deliveries FROM webhook_deliveries LEFT JOIN webhooks USING (webhook_id)
             WHERE webhook_deliveries.webhook_id IN (?) AND attempted_at >= ? AND webhooks.webhook_id IS NULL`,
        ],
        [rows, ids, oldest],
      ),
    );
  }

  /** Newest first. @param before undefined: from the newest on */
  async list(
    webhookId: string,
    { before, limit }: { before: DeliveryPosition | undefined; limit: number },
  ): Promise<WebhookDelivery[]> {
    const place =
      before === undefined ? '' : 'AND (attempted_at < ? OR (attempted_at = ? AND delivery_id < ?))';
    const rows = await this.#db.query<DeliveryRow>(
      `SELECT LOWER(HEX(delivery_id)) AS id, LOWER(HEX(webhook_id)) AS webhook_id, attempted_at,
         LOWER(HEX(event_id)) AS event_id, event, attempt, status, reason, took_ms, next_at
         FROM webhook_deliveries WHERE webhook_id = ? ${place}
         ORDER BY attempted_at DESC, delivery_id DESC LIMIT ?`,
      [
        toBytes(webhookId),
        ...(before === undefined ? [] : [before.attemptedAt, before.attemptedAt, toBytes(before.id)]),
        limit,
      ],
    );
    return rows.map(toDelivery);
  }

  /** Removes what is beyond the newest deliveries of a webhook. */
  async trim(webhookId: string): Promise<void> {
    const [oldest] = await this.#db.queryArrays<[Date]>(
      `SELECT attempted_at FROM webhook_deliveries WHERE webhook_id = ?
         ORDER BY attempted_at DESC LIMIT 1 OFFSET ${KEPT}`,
      [toBytes(webhookId)],
    );
    if (oldest === undefined) return;
    await this.#db.execute(
      `DELETE FROM webhook_deliveries WHERE webhook_id = ? AND attempted_at <= ? LIMIT ${REMOVED_AT_ONCE}`,
      [toBytes(webhookId), oldest[0]],
    );
  }

  /** Removes some of the deliveries from before a time. */
  async removeOlder(than: Date): Promise<void> {
    await this.#db.execute(`DELETE FROM webhook_deliveries WHERE attempted_at < ? LIMIT ${REMOVED_AT_ONCE}`, [
      than,
    ]);
  }
}

function toBytes(id: string): Buffer {
  return Buffer.from(id, 'hex');
}

function toDelivery(row: DeliveryRow): WebhookDelivery {
  return {
    id: row.id,
    webhookId: row.webhook_id,
    attemptedAt: row.attempted_at,
    eventId: row.event_id,
    event: row.event,
    attempt: row.attempt,
    status: row.status,
    reason: row.reason,
    tookMs: row.took_ms,
    nextAt: row.next_at,
  };
}
