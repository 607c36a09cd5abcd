import { slotOf } from '../keyspace/placement.ts';
import { openMysql, type Mysql } from '../mysql/mysql.ts';
import { FORGET_CHANGE, toLinkEvents } from '../outbox/link-events.ts';

/** What is stored about the visits of a link. */
export interface VisitsRow {
  /** null: nothing is stored, so there is nothing to give. */
  readonly visitsLeft: number | null;
  /** See `LinkTarget.state`. */
  readonly state: string;
  readonly isDeleted: boolean;
}

/**
 * The visits that links with a limit have left, in one urls database. Every statement goes to the primary.
 *
 * Visits are taken before anybody is redirected, and never given back. So a visit may be lost, and none is
 * given twice.
 */
export interface VisitsDb {
  readonly name: string;
  /**
   * Takes `count` visits, or none: if the link is not deleted, has that many left, and still is as `state`
   * says. Whoever was judged by an older state of it gets none.
   *
   * While somebody may want an event of the last visit, that one is taken in a transaction which writes it.
   * It costs more, and is used only when `mayBeLast`. Without it, no visit is taken when none would be left.
   * @returns whether they were taken
   * @throws OutcomeUnknownError they may have been taken; StoreUnavailableError: none was
   */
  take(key: string, state: string, count: number, mayBeLast?: boolean): Promise<boolean>;
  /** @returns undefined: there is no such link. @throws StoreUnavailableError: the read may be repeated */
  read(key: string): Promise<VisitsRow | undefined>;
  close(): Promise<void>;
}

export interface VisitsDbOptions {
  readonly name: string;
  readonly url: string;
  /**
   * Whether somebody wants events of links. Default: nobody. (It is not known here whose link it is.)
   */
  readonly mayWantEvents?: () => boolean;
  /** Default 2: visitors of one link share a statement. */
  readonly connections?: number;
  /** Deadline of a statement, in ms. Default 1,500. */
  readonly timeoutMs?: number;
}

/** The least that MySQL knows: it answers that it wrote nothing before the deadline of a write. */
const LOCK_WAIT_S = 1;

/** The id of the last change of a link, or else of the request that made it. No two states have the same. */
export const STATE = 'COALESCE(changed_by, request_id)';

const TAKE = `UPDATE urls SET visits_left = LAST_INSERT_ID(visits_left - ?)
  WHERE slot = ? AND unique_id = ? AND visits_left >= ? AND ${STATE} = ? AND deleted_at IS NULL`;

const EVENT_OF_LAST = toLinkEvents(
  'link.limit_reached',
  'u.slot = ? AND u.unique_id = ? AND u.visits_left = 0 AND LAST_INSERT_ID() = 0',
);

/** Connects when first used, on its own connections: no redirect of another link waits for it. */
export function openVisitsDb(options: VisitsDbOptions): VisitsDb {
  return new MysqlVisitsDb(options);
}

class MysqlVisitsDb implements VisitsDb {
  readonly name: string;
  readonly #db: Mysql;
  readonly #mayWantEvents: () => boolean;
  readonly #timeoutMs: number;

  constructor({
    name,
    url,
    mayWantEvents = () => false,
    connections = 2,
    timeoutMs = 1_500,
  }: VisitsDbOptions) {
    this.name = name;
    this.#mayWantEvents = mayWantEvents;
    this.#timeoutMs = timeoutMs;
    this.#db = openMysql(url, {
      name,
      connections,
      connectTimeoutMs: timeoutMs,
      lockWaitS: LOCK_WAIT_S,
      canTransact: true,
    });
  }

  async take(key: string, state: string, count: number, mayBeLast = false): Promise<boolean> {
    const params = [count, slotOf(key), key, count, Buffer.from(state, 'hex')];
    const limits = { timeoutMs: this.#timeoutMs };
    const isEventWanted = this.#mayWantEvents();
    if (!isEventWanted || !mayBeLast) {
      const sql = isEventWanted ? `${TAKE} AND visits_left > ?` : TAKE;
      const { affectedRows } = await this.#db.execute(
        sql,
        isEventWanted ? [...params, count] : params,
        limits,
      );
      return affectedRows === 1;
    }
    const [, taken] = await this.#db.transact(
      [FORGET_CHANGE, TAKE, EVENT_OF_LAST],
      [...params, slotOf(key), key],
      limits,
    );
    return taken === 1;
  }

  async read(key: string): Promise<VisitsRow | undefined> {
    const [row] = await this.#db.queryArrays<[number | null, Buffer, number]>(
      `SELECT visits_left, ${STATE}, deleted_at IS NOT NULL FROM urls WHERE slot = ? AND unique_id = ?`,
      [slotOf(key), key],
      { timeoutMs: this.#timeoutMs },
    );
    if (row === undefined) return undefined;
    const [visitsLeft, state, isDeleted] = row;
    return { visitsLeft, state: state.toString('hex'), isDeleted: isDeleted === 1 };
  }

  async close(): Promise<void> {
    await this.#db.close();
  }
}
