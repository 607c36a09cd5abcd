import { COLUMNS, ONCE, type EventName } from './outbox.ts';

/** An event that is about one link, and shows all of it. */
export type LinkEvent = Exclude<EventName, 'link.clicked'>;

/** Whether an event of a link of this owner must be written: somebody may want it. It asks no store. */
export type WantsEvents = (userId: bigint) => boolean;

/**
 * A link in the body of an event: its columns as they are at that moment. The mapper that delivers the event
 * makes of them what the API shows.
 */
export interface LinkInEvent {
  readonly key: string;
  readonly long_url: string | null;
  /** All times: RFC 3339. */
  readonly created_at: string;
  readonly updated_at: string | null;
  readonly expires_at: string | null;
  readonly deleted_at: string | null;
  readonly title: string | null;
  /** As in the column `rules`, but for the hash of the password. */
  readonly rules: string | null;
  readonly visits_left: number | null;
  readonly version: number;
  /** JSON: each tag in hexadecimal digits of its UTF-8. null: it has none. */
  readonly tags: string | null;
  readonly humans: number | string;
  readonly bots: number | string;
}

/**
 * The statement that writes an event of each link that is chosen, if the link has an owner. It belongs into
 * the transaction of the change, behind everything that changes the link.
 *
 * The server makes the body of the rows, so that it is the link at that moment, whatever this process knows
 * of it. The id of an event is a hash of what happened and to which state of the link, which has a random id
 * of its own. So no event has the id of another, and a row that is there already stays.
 *
 * @param choice a condition for the row `u` of `urls`
 */
export function toLinkEvents(event: LinkEvent, choice: string): string {
  return `INSERT INTO outbox (${COLUMNS})
    SELECT u.slot, ${idOf(event)}, u.user_id, '${event}', ${BODY}, UTC_TIMESTAMP(3), UTC_TIMESTAMP(3)
    FROM urls u LEFT JOIN click_totals c ON c.slot = u.slot AND c.unique_id = u.unique_id
    WHERE u.user_id IS NOT NULL AND ${choice} ${ONCE}`;
}

/**
 * An UPDATE that is repeated under the same id, and has happened before, must not write its event again,
 * although the link still has that id. So the UPDATE sets a column by `LAST_INSERT_ID(…)`, which the
 * connection remembers, and the choice of the event compares it with that column. This statement comes before
 * the UPDATE: it makes the connection remember what no column has.
 *
 * (`ROW_COUNT()` would tell more simply whether rows have changed. But when the client has gone, MariaDB goes
 * on with the transaction, and `ROW_COUNT()` is wrong: a fifth of such changes had no event, measured.)
 */
export const FORGET_CHANGE = 'SELECT LAST_INSERT_ID(9223372036854775807)';

/** A choice with two parameters: pairs of slot and key, and the new id of a change. */
export const CHANGED_BY = '(u.slot, u.unique_id) IN (?) AND u.changed_by = ?';

const STATE = `HEX(COALESCE(u.changed_by, u.request_id)), u.version, COALESCE(u.expires_at, '')`;

function idOf(event: LinkEvent): string {
  return `UNHEX(MD5(CONCAT_WS(' ', '${event}', u.unique_id, ${STATE})))`;
}

const time = (column: string): string => `'${column}', DATE_FORMAT(u.${column}, '%Y-%m-%dT%H:%i:%s.%fZ')`;

/**
 * Texts that are JSON themselves are cast: MySQL would put their values into the object, MariaDB their text.
 */
const BODY = `JSON_OBJECT('key', u.unique_id, 'long_url', COALESCE(u.original_url, u.ruled_url),
  ${['created_at', 'updated_at', 'expires_at', 'deleted_at'].map(time).join(', ')}, 'title', u.title,
  'rules', IF(JSON_VALID(u.rules), CAST(JSON_REPLACE(u.rules, '$.passwordHash', '') AS CHAR), u.rules),
  'visits_left', u.visits_left, 'version', u.version,
  'tags', CAST((SELECT JSON_ARRAYAGG(HEX(t.tag)) FROM link_tags t
                WHERE t.slot = u.slot AND t.unique_id = u.unique_id) AS CHAR),
  'humans', COALESCE(c.humans, 0) + COALESCE((SELECT SUM(old.clicks) FROM clicks old
                                              WHERE old.slot = u.slot AND old.unique_id = u.unique_id), 0),
  'bots', COALESCE(c.bots, 0))`;
