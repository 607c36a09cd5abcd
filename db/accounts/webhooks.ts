import type { Mysql } from '../mysql/mysql.ts';

/** A webhook as its owner sees it, with its secrets as they are stored. Ids are 32 hexadecimal digits. */
export interface Webhook {
  readonly id: string;
  readonly userId: bigint;
  readonly url: string;
  readonly events: readonly string[];
  /** Encrypted. */
  readonly secret: Buffer;
  /** Encrypted. It signs too until `previousUntil`. */
  readonly previousSecret: Buffer | null;
  readonly previousUntil: Date | null;
  readonly createdAt: Date;
  /** No delivery has succeeded since then. */
  readonly failingSince: Date | null;
  readonly disabledAt: Date | null;
  readonly disabledReason: string | null;
}

export type NewWebhook = Pick<Webhook, 'id' | 'userId' | 'url' | 'events' | 'secret' | 'createdAt'>;

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
  readonly previous_secret: Buffer | null;
  readonly previous_until: Date | null;
  readonly created_at: Date;
  readonly failing_since: Date | null;
  readonly disabled_at: Date | null;
  readonly disabled_reason: string | null;
}

const COLUMNS = `LOWER(HEX(webhook_id)) AS id, CAST(webhooks.user_id AS CHAR) AS user_id, url, events, secret,
  previous_secret, previous_until, webhooks.created_at, failing_since, webhooks.disabled_at, disabled_reason`;
/** A disabled account is told nothing. One that is being deleted is told of its links until it is gone. */
const SENDING = 'webhooks.disabled_at IS NULL AND users.disabled_at IS NULL';
/** Has a parameter: the name of an event. */
const WANTS = "FIND_IN_SET(?, REPLACE(webhooks.events, ' ', ',')) > 0";
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
        `INSERT INTO webhooks (webhook_id, user_id, url, events, secret, created_at)
           SELECT ?, user_id, ?, ?, ?, ? FROM users
           WHERE user_id = ? AND deletion_asked_at IS NULL
             AND (SELECT COUNT(*) FROM webhooks AS others WHERE others.user_id = ?) < ?`,
      ],
      [userId, toBytes(id), url, events.join(' '), secret, createdAt, userId, userId, most],
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

  /** @returns false: this user has no such webhook */
  async change(id: string, userId: bigint, { url, events, off }: WebhookChange): Promise<boolean> {
    const changes = [
      ...(url === undefined ? [] : [['url', url] as const]),
      ...(events === undefined ? [] : [['events', events.join(' ')] as const]),
      ...(off === undefined
        ? []
        : ([
            ['disabled_at', off?.at ?? null],
            ['disabled_reason', off?.reason ?? null],
            ['failing_since', null],
          ] as const)),
    ];
    // Also when nothing is given, so that the answer says whether the webhook exists.
    const sets = ['user_id = user_id', ...changes.map(([column]) => `${column} = ?`)];
    const { affectedRows } = await this.#db.execute(
      `UPDATE webhooks SET ${sets.join(', ')} WHERE webhook_id = ? AND user_id = ?`,
      [...changes.map(([, value]) => value), toBytes(id), userId],
    );
    return affectedRows === 1;
  }

  /**
   * From now on `secret` signs, and until `previousUntil` also the one before it.
   * @returns false: this user has no such webhook
   */
  async rotate(id: string, userId: bigint, secret: Buffer, previousUntil: Date): Promise<boolean> {
    const { affectedRows } = await this.#db.execute(
      `UPDATE webhooks SET previous_secret = secret, previous_until = ?, secret = ?
         WHERE webhook_id = ? AND user_id = ?`,
      [previousUntil, secret, toBytes(id), userId],
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
   * Users with a webhook that is on; undefined: there are more than `most`.
   * @param event only those whose webhooks want this event
   */
  async listOwners(most: number, event?: string): Promise<bigint[] | undefined> {
    const [wants, params] = event === undefined ? ['', []] : [`AND ${WANTS}`, [event]];
    const rows = await this.#db.queryArrays<[string]>(
      `SELECT DISTINCT CAST(webhooks.user_id AS CHAR) FROM webhooks JOIN users USING (user_id)
         WHERE ${SENDING} ${wants} LIMIT ?`,
      [...params, most + 1],
    );
    return rows.length > most ? undefined : rows.map(([id]) => BigInt(id));
  }

  /**
   * The user with the lowest id above `after` whose webhooks want an event, and since when the first of these
   * is there.
   */
  async nextListener(event: string, after: bigint): Promise<{ userId: bigint; since: Date } | undefined> {
    const [row] = await this.#db.queryArrays<[string, Date]>(
      `SELECT CAST(webhooks.user_id AS CHAR), MIN(webhooks.created_at) FROM webhooks JOIN users USING (user_id)
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

  /** Removes secrets that sign no more. */
  async forgetPrevious(now: Date): Promise<void> {
    await this.#db.execute(
      'UPDATE webhooks SET previous_secret = NULL, previous_until = NULL WHERE previous_until <= ?',
      [now],
    );
  }
}

function toBytes(id: string): Buffer {
  return Buffer.from(id, 'hex');
}

function toWebhook(row: WebhookRow): Webhook {
  return {
    id: row.id,
    userId: BigInt(row.user_id),
    url: row.url,
    events: row.events.split(' '),
    secret: row.secret,
    previousSecret: row.previous_secret,
    previousUntil: row.previous_until,
    createdAt: row.created_at,
    failingSince: row.failing_since,
    disabledAt: row.disabled_at,
    disabledReason: row.disabled_reason,
  };
}
