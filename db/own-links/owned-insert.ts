import { toSqlText } from '../mysql/driver.ts';
import { toLinkEvents, type WantsEvents } from '../outbox/link-events.ts';
import { byPrimaryKey, DateTimes } from '../urls/link-insert.ts';
import { formatRules } from '../urls/link-rules.ts';
import type { LinkRow } from '../urls/link.ts';
import { createProofKey } from '../urls/write-proof.ts';
import { targetHashHex, type LinkState } from './own-link.ts';

/** A link to bind that has an owner, or rules. Only a link with an owner has tags. */
export interface OwnedRow extends LinkRow, Pick<LinkState, 'title' | 'tags' | 'rules'> {
  /** Absent: all that its rules allow. */
  readonly visitsLeft?: number;
}

export const COLUMNS = 'slot, unique_id, original_url, created_at, request_id, user_id';
/** Of the place in the list of its owner. */
export const PLACE_COLUMNS = 'user_id, created_at, unique_id, slot, target_hash';
/** As for anonymous links, few links need these columns. */
const RARE_COLUMNS = 'ruled_url, expires_at, alias, title, rules, visits_left';

/**
 * The statements of one transaction that binds all rows. Rows are in the order of the primary key: in another
 * order concurrent INSERTs deadlock.
 */
export function toOwnedInserts(rows: readonly OwnedRow[]): string[] {
  const dates = new DateTimes();
  const sorted = rows.toSorted(byPrimaryKey).map((row) => toPlaced(row, dates));
  const hasRare = sorted.some(isRare);
  const columns = hasRare ? `${COLUMNS}, ${RARE_COLUMNS}` : COLUMNS;
  const links = sorted.map((placed) => toLink(placed, dates, hasRare));
  const statements = [`INSERT INTO urls (${columns}) VALUES ${links.join(',')}`];
  const listed = sorted.filter(({ row }) => row.userId !== null);
  const owned = listed.map(({ row, place }) => `(${place},x'${targetHashHex(row.longUrl)}')`);
  if (owned.length > 0) statements.push(`INSERT INTO owned (${PLACE_COLUMNS}) VALUES ${owned.join(',')}`);
  const tags = listed.flatMap(({ row, place }) =>
    Array.from(new Set(row.tags), (tag) => `(${place},${toSqlText(tag)})`),
  );
  if (tags.length > 0)
    statements.push(
      `INSERT INTO link_tags (user_id, created_at, unique_id, slot, tag) VALUES ${tags.join(',')}`,
    );
  return statements;
}

/** Whether nothing is to be stored of it but the link, and its place in the list of its owner. */
export function isPlain({ expiresAt, alias, title, tags, rules }: OwnedRow): boolean {
  const isUsual = expiresAt === null && alias !== true && title === null;
  return isUsual && tags.length === 0 && Object.keys(rules).length === 0;
}

/**
 * The statement that writes the event of each new link whose owner has somebody who wants it: the last of the
 * transaction that binds the rows. None: nobody wants any.
 */
export function toCreatedEvents(rows: readonly OwnedRow[], wantsEvents: WantsEvents): string[] {
  const wanted = rows.filter(({ userId }) => userId !== null && wantsEvents(userId));
  if (wanted.length === 0) return [];
  const keys = wanted.map(({ slot, key }) => `(${slot},${toSqlText(key)})`);
  return [toLinkEvents('link.created', `(u.slot, u.unique_id) IN (${keys.join(',')})`)];
}

/**
 * The statements of one transaction that proves that the server takes links with an owner, and leaves
 * nothing.
 * @param slot one that the server has
 */
export function toProof(slot: number): string[] {
  const key = createProofKey();
  const row: OwnedRow = {
    key,
    slot,
    longUrl: '-',
    userId: 0n,
    createdAt: new Date(0),
    expiresAt: null,
    requestId: '',
    title: null,
    tags: ['-'],
    rules: {},
  };
  const place = `user_id = 0 AND created_at = ${new DateTimes().of(row.createdAt)} AND unique_id = '${key}'`;
  return [
    ...toOwnedInserts([row]),
    `DELETE FROM link_tags WHERE tag = '-' AND ${place}`,
    `DELETE FROM owned WHERE ${place}`,
    `DELETE FROM urls WHERE slot = ${slot} AND unique_id = '${key}'`,
  ];
}

/** A row, with the texts that several statements have. */
interface Placed {
  readonly row: OwnedRow;
  readonly key: string;
  readonly createdAt: string;
  readonly rules: string | null;
  /** The columns of the place in its owner's list, if it has one: user_id, created_at, unique_id, slot. */
  readonly place: string;
}

function toPlaced(row: OwnedRow, dates: DateTimes): Placed {
  const [key, createdAt] = [toSqlText(row.key), dates.of(row.createdAt)];
  const place = `${row.userId ?? 'NULL'},${createdAt},${key},${row.slot}`;
  return { row, key, createdAt, rules: formatRules(row.rules), place };
}

function isRare({ row, rules }: Placed): boolean {
  return row.expiresAt !== null || row.alias === true || row.title !== null || rules !== null;
}

function toLink({ row, key, createdAt, rules }: Placed, dates: DateTimes, hasRare: boolean): string {
  const target = toSqlText(row.longUrl);
  const plainTarget = rules === null ? target : 'NULL';
  const usual = `${row.slot},${key},${plainTarget},${createdAt},x'${row.requestId}',${row.userId ?? 'NULL'}`;
  if (!hasRare) return `(${usual})`;
  const rare = [
    rules === null ? 'NULL' : target,
    row.expiresAt === null ? 'NULL' : dates.of(row.expiresAt),
    row.alias === true ? 1 : 0,
    row.title === null ? 'NULL' : toSqlText(row.title),
    rules === null ? 'NULL' : toSqlText(rules),
    visitsLeftOf(row) ?? 'NULL',
  ];
  return `(${usual},${rare.join(',')})`;
}

/** How often a new link can be followed. null: without a limit. */
export function visitsLeftOf({ rules, visitsLeft }: OwnedRow): number | null {
  return rules.maxVisits === undefined ? null : (visitsLeft ?? rules.maxVisits);
}
