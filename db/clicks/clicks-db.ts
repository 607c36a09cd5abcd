import { monotonicMs } from '../../runtime/clock.ts';
import { codeOf } from '../../runtime/errors.ts';
import { slotOf } from '../keyspace/placement.ts';
import { repeatAfterDeadlock } from '../mysql/deadlock.ts';
import { openMysql, type Mysql } from '../mysql/mysql.ts';
import { StoreRefusedError } from '../store-errors.ts';
import type { ClickFlush, Counts, LinkClicks } from './click-flush.ts';
import { compareAscii, toStatements } from './flush-statements.ts';
import { LinkOwners } from './link-owners.ts';
import { toOwnerClicks, type OwnedClicks } from './owner-clicks.ts';
import { StoredSketches } from './stored-sketches.ts';
import { LINK, OWNER } from './subject.ts';
import { ValueBounds } from './value-bounds.ts';

/** The clicks of one link on one day. */
export interface DayCounts extends Counts {
  /** UTC, `YYYY-MM-DD`. */
  readonly day: string;
}

/** The clicks of the links in one urls database. */
export interface ClicksDb {
  readonly name: string;
  /**
   * Adds the clicks exactly once, however often it is called. An older flush that arrives late is refused as
   * well.
   *
   * @returns whether this call or an earlier one added them
   * @throws OutcomeUnknownError: repeat the same flush
   * @throws StoreUnavailableError: nothing was added, repeat the same flush later
   * @throws StoreRefusedError: nothing was added, and a repetition is likely to be refused too
   */
  add(flush: ClickFlush): Promise<'added' | 'repeated'>;
  /**
   * All clicks of a link, also those that an import has brought, and the clicks of each day that is still
   * known.
   * @throws StoreUnavailableError
   */
  of(key: string): Promise<{ total: number; days: DayCounts[] }>;
  /** Deletes up to {@link PRUNED_AT_ONCE} marks of sources without a flush for {@link MARK_DAYS} days. */
  prune(): Promise<number>;
  close(): Promise<void>;
}

/** Days that the mark of a source is kept after its last flush: much longer than any flush is repeated. */
const MARK_DAYS = 30;
const PRUNED_AT_ONCE = 1_000;

export interface ClicksDbOptions {
  readonly name: string;
  readonly url: string;
  /**
   * Statements for the same transaction, so that they happen exactly as often as the clicks count: once. They
   * must not fail. @param owned the links of the flush that have an owner
   */
  readonly furtherFor?: ((owned: readonly OwnedClicks[]) => readonly string[]) | undefined;
}

/** Connects when first used, on its own connection, so that no bind or read waits for clicks. */
export function openClicksDb({ name, url, furtherFor = () => [] }: ClicksDbOptions): ClicksDb {
  return new MysqlClicksDb(openMysql(url, { name, connections: 1, canTransact: true }), furtherFor);
}

const TIMEOUT_MS = 2_500;

class MysqlClicksDb implements ClicksDb {
  readonly #db: Mysql;
  readonly #furtherFor: (owned: readonly OwnedClicks[]) => readonly string[];
  readonly #owners: LinkOwners;
  readonly #ofLinks: StoredSketches;
  readonly #ofOwners: StoredSketches;
  readonly #bounds = new ValueBounds();

  constructor(db: Mysql, furtherFor: (owned: readonly OwnedClicks[]) => readonly string[]) {
    this.#db = db;
    this.#furtherFor = furtherFor;
    this.#owners = new LinkOwners(db, monotonicMs);
    const clocks = { now: monotonicMs, wallClock: Date.now };
    this.#ofLinks = new StoredSketches({ db, kind: LINK, ...clocks });
    this.#ofOwners = new StoredSketches({ db, kind: OWNER, ...clocks });
  }

  get name(): string {
    return this.#db.name;
  }

  async add(flush: ClickFlush): Promise<'added' | 'repeated'> {
    if (flush.links.length === 0) return 'added';
    const { statements, stored } = await this.#toStatements(flush);
    try {
      await repeatAfterDeadlock(async () => this.#db.transact(statements, [], { timeoutMs: TIMEOUT_MS }));
      stored();
      return 'added';
    } catch (error) {
      if (isOld(error)) return 'repeated';
      throw error;
    }
  }

  /** Finds the owners, and what the sketches of visitors have already. */
  async #toStatements(flush: ClickFlush): Promise<{ statements: string[]; stored: () => void }> {
    const { source } = flush;
    const links = inKeyOrder(flush.links);
    const keys = links.map(({ key }) => key);
    const ownerOf = await this.#owners.find(keys, TIMEOUT_MS);
    const owned = links.flatMap((link) => {
      const ownerId = ownerOf.get(link.key);
      return ownerId === undefined ? [] : [{ ownerId, link }];
    });
    const ofLinks = links.map(({ key, ...counted }) => ({ id: LINK.toId(key), ...counted }));
    const ofOwners = toOwnerClicks(owned, this.#bounds);
    const wholeLinks = await this.#ofLinks.complete(ofLinks, source, TIMEOUT_MS);
    const wholeOwners = await this.#ofOwners.complete(ofOwners, source, TIMEOUT_MS);
    const statements = await toStatements(flush, {
      links: wholeLinks.subjects,
      owners: wholeOwners.subjects,
      further: this.#furtherFor(owned),
    });
    const stored = (): void => {
      wholeLinks.stored();
      wholeOwners.stored();
    };
    return { statements, stored };
  }

  async of(key: string): Promise<{ total: number; days: DayCounts[] }> {
    const ofLink = 'WHERE slot = ? AND unique_id = ?';
    const link = [slotOf(key), key];
    const [[total], rows] = await Promise.all([
      this.#db.queryArrays<[number | string]>(
        `SELECT (SELECT COALESCE(SUM(humans + bots), 0) FROM click_totals ${ofLink})
           + (SELECT COALESCE(SUM(clicks), 0) FROM clicks ${ofLink})`,
        [...link, ...link],
      ),
      this.#db.queryArrays<[string, number | string, number | string]>(
        `SELECT DATE_FORMAT(day, '%Y-%m-%d') AS at, SUM(humans), SUM(bots) FROM (
           SELECT DATE(hour) AS day, humans, bots FROM click_hours ${ofLink}
           UNION ALL SELECT day, humans, bots FROM click_days ${ofLink}
           UNION ALL SELECT day, clicks, 0 FROM clicks ${ofLink}
         ) counted GROUP BY at ORDER BY at`,
        [...link, ...link, ...link],
      ),
    ]);
    return {
      total: Number(total?.[0] ?? 0),
      days: rows.map(([day, humans, bots]) => ({ day, humans: Number(humans), bots: Number(bots) })),
    };
  }

  async prune(): Promise<number> {
    const sql = 'DELETE FROM click_flushes WHERE flushed_at < UTC_TIMESTAMP() - INTERVAL ? DAY LIMIT ?';
    const { affectedRows } = await this.#db.execute(sql, [MARK_DAYS, PRUNED_AT_ONCE]);
    return affectedRows;
  }

  async close(): Promise<void> {
    await this.#db.close();
  }
}

/** In the order of the primary key. */
function inKeyOrder(links: readonly LinkClicks[]): LinkClicks[] {
  return links
    .map((link) => ({ slot: slotOf(link.key), link }))
    .sort((a, b) => a.slot - b.slot || compareAscii(a.link.key, b.link.key))
    .map(({ link }) => link);
}

/** See `markOf` in flush-statements.ts. */
export function isOld(error: unknown): boolean {
  return error instanceof StoreRefusedError && codeOf(error.cause) === 'ER_BAD_NULL_ERROR';
}
