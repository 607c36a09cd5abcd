import type { SqlValue } from '../mysql/driver.ts';
import type { Mysql } from '../mysql/mysql.ts';

/** A webhook as its owner sees it, with its secrets as they are stored. Ids are 32 hexadecimal digits. */
export interface Webhook {
  readonly id: string;
  readonly userId: bigint;
  readonly url: string;
  readonly events: readonly string[];
  /** Encrypted. */
  readonly secret: Buffer;
  /** Those that it has replaced, the newest first. They may sign no more already. */
  readonly previousSecrets: readonly PreviousSecret[];
  readonly createdAt: Date;
  /** No delivery has succeeded since then. */
  readonly failingSince: Date | null;
  readonly disabledAt: Date | null;
  readonly disabledReason: string | null;
  /** What happened before is not told any more: it was off then, or its owner was. */
  readonly dropsBefore: Date | null;
}

export interface PreviousSecret {
  /** Encrypted. */
  readonly secret: Buffer;
  /** It signs too until then. */
  readonly until: Date;
}

export type NewWebhook = Pick<Webhook, 'id' | 'userId' | 'url' | 'events' | 'secret' | 'createdAt'>;

/** A user with a webhook that is on. */
export interface WebhookOwner {
  readonly userId: bigint;
  /** A webhook of this user wants the event in question. */
  readonly isWanting: boolean;
}

/** What an owner changes. Absent: it stays. */
export interface WebhookChange {
  readonly url?: string | undefined;
  readonly events?: readonly string[] | undefined;
  /** Why it is off; null: it is on. */
  readonly off?: { readonly at: Date; readonly reason: string } | null | undefined;
}

interface WebhookRow {
  readonly id: string;
  readonly user_id: string;
  readonly url: string;
  readonly events: string;
  readonly secret: Buffer;
  readonly previous_secrets: string;
  readonly created_at: Date;
  readonly failing_since: Date | null;
  readonly disabled_at: Date | null;
  readonly disabled_reason: string | null;
  readonly drops_before: Date | null;
}

const COLUMNS = `LOWER(HEX(webhook_id)) AS id, CAST(webhooks.user_id AS CHAR) AS user_id, url, events, secret,
  previous_secrets, webhooks.created_at, failing_since, webhooks.disabled_at, disabled_reason,
  drops_before`;
/** A disabled account is told nothing. One that is being deleted is told of its links until it is gone. */
const SENDING = 'webhooks.disabled_at IS NULL AND users.disabled_at IS NULL';
/** Has a parameter: the name of an event. */
const WANTS = "FIND_IN_SET(?, REPLACE(webhooks.events, ' ', ',')) > 0";
/** Whoever lost the answer to a new secret makes another one; the receiver has one from before. */
const MAX_PREVIOUS = 8;
/**
 * Before an account is enabled again: its webhooks are not told of what happened meanwhile, nor of what they
 * had not taken before. Has two parameters: the time, and the user.
 */
export const LISTEN_AGAIN = `UPDATE webhooks JOIN users USING (user_id)
  SET listens_since = ?, drops_before = users.disabled_at, changed_at = UTC_TIMESTAMP(3)
  WHERE users.user_id = ? AND users.disabled_at IS NOT NULL`;
/** For the row of a user that ends: the seconds in which his webhooks are told which links go with him. */
export const TELL_S = `IF(delete_links = 1 AND EXISTS (SELECT 1 FROM webhooks
  WHERE webhooks.user_id = users.user_id AND webhooks.disabled_at IS NULL), 300, 0)`;
/** Webhooks of one user are made one after another, so that he gets no more than he may have. */
const LOCK_USER = 'SELECT user_id FROM users WHERE user_id = ? FOR UPDATE';

/**
 * The table of webhooks. Every method may throw StoreUnavailableError, those that write OutcomeUnknownError.
 */
export class Webhooks {
  readonly #db: Mysql;

  constructor(db: Mysql) {
    this.#db = db;
  }

  /** @param most webhooks that a user may have. @returns false: he has them already, or is gone */
  async create({ id, userId, url, events, secret, createdAt }: NewWebhook, most: number): Promise<boolean> {
    const [, created] = await this.#db.transact(
      [
        LOCK_USER,
        `INSERT INTO webhooks (webhook_id, user_id, url, events, secret, created_at, listens_since, changed_at)
           SELECT ?, user_id, ?, ?, ?, ?, ?, UTC_TIMESTAMP(3) FROM users
           WHERE user_id = ? AND deletion_asked_at IS NULL
             AND (SELECT COUNT(*) FROM webhooks AS others WHERE others.user_id = ?) < ?`,
      ],
      [userId, toBytes(id), url, events.join(' '), secret, createdAt, createdAt, userId, userId, most],
    );
    return created === 1;
  }

  /** The webhooks of a user, newest first; at most as many as he may have. */
  async list(userId: bigint): Promise<Webhook[]> {
    const rows = await this.#db.query<WebhookRow>(
      `SELECT ${COLUMNS} FROM webhooks WHERE user_id = ? ORDER BY created_at DESC, webhook_id`,
      [userId],
    );
    return rows.map(toWebhook);
  }

  /** Undefined: this user has no such webhook. */
  async find(id: string, userId: bigint): Promise<Webhook | undefined> {
    const [row] = await this.#db.query<WebhookRow>(
      `SELECT ${COLUMNS} FROM webhooks WHERE webhook_id = ? AND user_id = ?`,
      [toBytes(id), userId],
    );
    return row && toWebhook(row);
  }

  /**
   * @param now from now on it listens, if it did not before.
   * @returns false: this user has no such webhook
   */
  async change(id: string, userId: bigint, { url, events, off }: WebhookChange, now: Date): Promise<boolean> {
    // The server evaluates assignments from left to right, so what looks at a column comes before its change.
    const changes: (readonly [set: string, ...values: SqlValue[]])[] = [
      ...(url === undefined ? [] : [['url = ?', url] as const]),
      ...(events === undefined
        ? []
        : ([
            [`listens_since = IF(${WANTS}, listens_since, ?)`, 'link.expired', now],
            ['events = ?', events.join(' ')],
          ] as const)),
      ...(off === null
        ? ([
            ['listens_since = IF(disabled_at IS NULL, listens_since, ?)', now],
            ['drops_before = COALESCE(disabled_at, drops_before)'],
          ] as const)
        : []),
      ...(off === undefined
        ? []
        : ([
            ['disabled_at = ?', off?.at ?? null],
            ['disabled_reason = ?', off?.reason ?? null],
            ['failing_since = NULL'],
          ] as const)),
    ];
    // Also when nothing is given, so that the answer says whether the webhook exists.
    const sets = ['changed_at = UTC_TIMESTAMP(3)', ...changes.map(([set]) => set)];
    const { affectedRows } = await this.#db.execute(
      `UPDATE webhooks SET ${sets.join(', ')} WHERE webhook_id = ? AND user_id = ?`,
      [...changes.flatMap(([, ...values]) => values), toBytes(id), userId],
    );
    return affectedRows === 1;
  }

  /**
   * From now on `secret` signs, and until `previousUntil` also the one before it. Those before that sign as
   * long as they would have, the newest ones of them.
   * @returns false: this user has no such webhook
   */
  async rotate(id: string, userId: bigint, secret: Buffer, previousUntil: Date): Promise<boolean> {
    const { affectedRows } = await this.#db.execute(
      `UPDATE webhooks SET previous_secrets = SUBSTRING_INDEX(
           TRIM(CONCAT(HEX(secret), ':', ?, ' ', previous_secrets)), ' ', ${MAX_PREVIOUS}),
         previous_until = ?, secret = ?
         WHERE webhook_id = ? AND user_id = ?`,
      [String(previousUntil.getTime()), previousUntil, secret, toBytes(id), userId],
    );
    return affectedRows === 1;
  }

  /** Also removes what became of its deliveries. @returns false: this user has no such webhook */
  async remove(id: string, userId: bigint): Promise<boolean> {
    const [, removed] = await this.#db.transact(
      [
        `DELETE webhook_deliveries FROM webhook_deliveries JOIN webhooks USING (webhook_id)
           WHERE webhook_id = ? AND user_id = ?`,
        'DELETE FROM webhooks WHERE webhook_id = ? AND user_id = ?',
      ],
      [toBytes(id), userId, toBytes(id), userId],
    );
    return removed === 1;
  }

  /**
   * Users with a webhook that is on, and whether one of theirs wants this event; undefined: there are more
   * than `most`.
   */
  async listOwners(most: number, event: string): Promise<WebhookOwner[] | undefined> {
    const rows = await this.#db.queryArrays<[string, number | string]>(
      `SELECT CAST(webhooks.user_id AS CHAR), MAX(${WANTS}) FROM webhooks JOIN users USING (user_id)
         WHERE ${SENDING} GROUP BY webhooks.user_id LIMIT ?`,
      [event, most + 1],
    );
    if (rows.length > most) return undefined;
    return rows.map(([id, wants]) => ({ userId: BigInt(id), isWanting: Number(wants) === 1 }));
  }

  /**
   * How long ago a webhook was made, changed, or sent to again, in ms; undefined: there is none. That one is
   * gone is not told.
   */
  async changedAgoMs(): Promise<number | undefined> {
    const [row] = await this.#db.queryArrays<[number | string | null]>(
      'SELECT TIMESTAMPDIFF(MICROSECOND, MAX(changed_at), UTC_TIMESTAMP(3)) DIV 1000 FROM webhooks',
    );
    const agoMs = row?.[0] ?? null;
    return agoMs === null ? undefined : Number(agoMs);
  }

  /**
   * The user with the lowest id above `after` whose webhooks want an event, and since when the first of these
   * listens.
   */
  async nextListener(event: string, after: bigint): Promise<{ userId: bigint; since: Date } | undefined> {
    const [row] = await this.#db.queryArrays<[string, Date]>(
      `SELECT CAST(webhooks.user_id AS CHAR), MIN(webhooks.listens_since) FROM webhooks JOIN users USING (user_id)
         WHERE webhooks.user_id > ? AND ${SENDING} AND ${WANTS}
         GROUP BY webhooks.user_id ORDER BY webhooks.user_id LIMIT 1`,
      [after, event],
    );
    return row && { userId: BigInt(row[0]), since: row[1] };
  }

  /** The webhooks of these users that are on. */
  async listOfUsers(userIds: readonly bigint[]): Promise<Webhook[]> {
    return this.#listSending('webhooks.user_id IN (?)', userIds);
  }

  /** Those of these webhooks that are on. */
  async listByIds(ids: readonly string[]): Promise<Webhook[]> {
    return this.#listSending('webhook_id IN (?)', ids.map(toBytes));
  }

  async #listSending(condition: string, values: readonly (bigint | Buffer)[]): Promise<Webhook[]> {
    if (values.length === 0) return [];
    const rows = await this.#db.query<WebhookRow>(
      `SELECT ${COLUMNS} FROM webhooks JOIN users USING (user_id) WHERE ${SENDING} AND ${condition}`,
      [values],
    );
    return rows.map(toWebhook);
  }

  /** Its deliveries fail since `at`, if they do not already. */
  async beganFailing(id: string, at: Date): Promise<void> {
    await this.#db.execute(
      'UPDATE webhooks SET failing_since = ? WHERE webhook_id = ? AND failing_since IS NULL',
      [at, toBytes(id)],
    );
  }

  /** A delivery has succeeded. */
  async stoppedFailing(id: string): Promise<void> {
    await this.#db.execute('UPDATE webhooks SET failing_since = NULL WHERE webhook_id = ?', [toBytes(id)]);
  }

  /**
   * Switches a webhook off that fails since `failingBefore` or longer.
   * @returns whether this call has switched it off
   */
  async switchOff(
    id: string,
    { at, reason, failingBefore }: { at: Date; reason: string; failingBefore: Date },
  ): Promise<boolean> {
    const { affectedRows } = await this.#db.execute(
      `UPDATE webhooks SET disabled_at = ?, disabled_reason = ?
         WHERE webhook_id = ? AND disabled_at IS NULL AND failing_since <= ?`,
      [at, reason, toBytes(id), failingBefore],
    );
    return affectedRows === 1;
  }

  /** Removes secrets that sign no more, once all previous ones of a webhook do not. */
  async forgetPrevious(now: Date): Promise<void> {
    await this.#db.execute(
      "UPDATE webhooks SET previous_secrets = '', previous_until = NULL WHERE previous_until <= ?",
      [now],
    );
  }
}

function toBytes(id: string): Buffer {
  return Buffer.from(id, 'hex');
}

function parsePrevious(text: string): PreviousSecret[] {
  const parts = text === '' ? [] : text.split(' ').map((part) => part.split(':'));
  return parts.map(([secret = '', until]) => ({ secret: toBytes(secret), until: new Date(Number(until)) }));
}

function toWebhook(row: WebhookRow): Webhook {
  return {
    id: row.id,
    userId: BigInt(row.user_id),
    url: row.url,
    events: row.events.split(' '),
    secret: row.secret,
    previousSecrets: parsePrevious(row.previous_secrets),
    createdAt: row.created_at,
    failingSince: row.failing_since,
    disabledAt: row.disabled_at,
    disabledReason: row.disabled_reason,
    dropsBefore: row.drops_before,
  };
}
