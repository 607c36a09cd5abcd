import type { Mysql } from '../mysql/mysql.ts';

/** A domain that an administrator has blocked, with all names below it. */
export interface DomainBlock {
  /** Ordered by time. */
  readonly id: bigint;
  /** As in `URL.hostname`, at most 253 characters. */
  readonly domain: string;
  /** Why. */
  readonly note: string | null;
  readonly blockedBy: bigint;
  readonly blockedAt: Date;
}

/** With the address of who has blocked it. null: the account is gone. */
export interface ListedBlock extends DomainBlock {
  readonly email: string | null;
}

interface BlockRow {
  readonly block_id: string;
  readonly domain: string;
  readonly note: string | null;
  readonly blocked_by: string;
  readonly blocked_at: Date;
  readonly email: string | null;
}

/** Every process has all of them in memory. */
export const MAX_BLOCKS = 10_000;

const SELECT = `SELECT CAST(block_id AS CHAR) AS block_id, domain, note, CAST(blocked_by AS CHAR) AS blocked_by,
  blocked_at, email FROM blocked_domains LEFT JOIN users ON users.user_id = blocked_by AND deletion_asked_at IS NULL`;
const RISE = 'UPDATE blocked_domains_version SET version = version + 1 WHERE id = 1';

/**
 * The domains that administrators have blocked. All methods may throw StoreUnavailableError, those that write
 * OutcomeUnknownError: they may be repeated.
 */
export class DomainBlocks {
  readonly #db: Mysql;

  /** @param db with `canTransact` */
  constructor(db: Mysql) {
    this.#db = db;
  }

  /** Blocks a domain. Of one that is blocked it changes note, administrator and time. */
  async add({ id, domain, note, blockedBy, blockedAt }: DomainBlock): Promise<void> {
    await this.#db.transact(
      [
        `INSERT INTO blocked_domains (domain, block_id, note, blocked_by, blocked_at) VALUES (?, ?, ?, ?, ?)
         ON DUPLICATE KEY UPDATE block_id = VALUES(block_id), note = VALUES(note),
           blocked_by = VALUES(blocked_by), blocked_at = VALUES(blocked_at)`,
        RISE,
      ],
      [domain, id, note, blockedBy, blockedAt],
    );
  }

  /** @returns false when it is not blocked */
  async remove(domain: string): Promise<boolean> {
    const [removed] = await this.#db.transact(
      ['DELETE FROM blocked_domains WHERE domain = ?', RISE],
      [domain],
    );
    return removed === 1;
  }

  async find(domain: string): Promise<ListedBlock | undefined> {
    const [row] = await this.#db.query<BlockRow>(`${SELECT} WHERE domain = ?`, [domain]);
    return row && toBlock(row);
  }

  async count(): Promise<number> {
    const [row] = await this.#db.queryArrays<[number]>('SELECT COUNT(*) FROM blocked_domains');
    return row?.[0] ?? 0;
  }

  /** Newest first. @param before undefined: from the newest on */
  async list({
    before,
    limit,
  }: {
    readonly before: bigint | undefined;
    readonly limit: number;
  }): Promise<ListedBlock[]> {
    const rows = await this.#db.query<BlockRow>(
      `${SELECT} ${before === undefined ? '' : 'WHERE block_id < ?'} ORDER BY blocked_domains.block_id DESC LIMIT ?`,
      [...(before === undefined ? [] : [before]), limit],
    );
    return rows.map(toBlock);
  }

  /** Rises with each change. */
  async version(): Promise<bigint> {
    const [row] = await this.#db.queryArrays<[string]>(
      'SELECT CAST(version AS CHAR) FROM blocked_domains_version WHERE id = 1',
    );
    return BigInt(row?.[0] ?? 0);
  }

  /** The names of all of them. */
  async names(): Promise<string[]> {
    const rows = await this.#db.queryArrays<[string]>('SELECT domain FROM blocked_domains LIMIT ?', [
      2 * MAX_BLOCKS,
    ]);
    return rows.map(([domain]) => domain);
  }
}

function toBlock(row: BlockRow): ListedBlock {
  return {
    id: BigInt(row.block_id),
    domain: row.domain,
    note: row.note,
    blockedBy: BigInt(row.blocked_by),
    blockedAt: row.blocked_at,
    email: row.email,
  };
}
