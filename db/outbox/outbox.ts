import { toSqlText } from '../mysql/driver.ts';

/** What webhooks are told about links. */
export const EVENTS = [
  'link.created',
  'link.updated',
  'link.deleted',
  'link.expired',
  'link.limit_reached',
  'link.clicked',
] as const;

export type EventName = (typeof EVENTS)[number];

/** An event of a link, for each webhook of its owner that wants it. */
export interface OutboxEvent {
  /**
   * 128 random bits as 32 hexadecimal digits. It is drawn once for each change, so that a statement that is
   * repeated writes the same row. Receivers know the event by it.
   */
  readonly id: string;
  /** Of the link. */
  readonly slot: number;
  /** The owner of the link. */
  readonly userId: bigint;
  readonly event: EventName;
  /** JSON. `mapper/events/event-data` makes the `data` of the event of it. */
  readonly body: string;
}

/** The columns that a new event sets. */
export const COLUMNS = 'slot, id, user_id, event, body, created_at, due_at';
/** The row of a statement that is repeated stays as it is. */
export const ONCE = 'ON DUPLICATE KEY UPDATE outbox.id = outbox.id';

/**
 * The statement that writes events. It belongs into the transaction of the change, on the urls server of the
 * link, and may be repeated.
 */
export function toOutboxInsert(events: readonly OutboxEvent[]): string {
  return `INSERT INTO outbox (${COLUMNS}) VALUES ${events.map((event) => `(${valuesOf(event)})`).join(',')} ${ONCE}`;
}

/**
 * {@link toOutboxInsert} for an event that has only happened if a row is found.
 * @param rows which row, at most one: `FROM urls WHERE slot = 3 AND unique_id = 'abc' AND changed_by = x'…'`
 */
export function toOutboxInsertIf(event: OutboxEvent, rows: string): string {
  return `INSERT INTO outbox (${COLUMNS}) SELECT ${valuesOf(event)} ${rows} ${ONCE}`;
}

function valuesOf({ slot, id, userId, event, body }: OutboxEvent): string {
  return `${slot},x'${id}',${userId},'${event}',${toSqlText(body)},UTC_TIMESTAMP(3),UTC_TIMESTAMP(3)`;
}
