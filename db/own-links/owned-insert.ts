import { toSqlText } from '../mysql/driver.ts';
import { byPrimaryKey, DateTimes } from '../urls/link-insert.ts';
import { formatRules } from '../urls/link-rules.ts';
import type { LinkRow } from '../urls/link.ts';
import { createProofKey } from '../urls/write-proof.ts';
import { targetHash, type LinkState } from './own-link.ts';

/** A link to bind that has an owner. */
export interface OwnedRow extends LinkRow, Pick<LinkState, 'title' | 'tags' | 'rules'> {
  readonly userId: bigint;
}

const COLUMNS =
  'slot, unique_id, original_url, ruled_url, created_at, request_id, user_id, expires_at, alias, title, rules';

/**
 * The statements of one transaction that binds all rows. Rows are in the order of the primary key: in another
 * order concurrent INSERTs deadlock.
 */
export function toOwnedInserts(rows: readonly OwnedRow[]): string[] {
  const dates = new DateTimes();
  const sorted = rows.toSorted(byPrimaryKey);
  const statements = [
    `INSERT INTO urls (${COLUMNS}) VALUES ${sorted.map((row) => toLink(row, dates)).join(',')}`,
    `INSERT INTO owned (user_id, created_at, unique_id, slot, target_hash) VALUES ${sorted
      .map((row) => `(${placeOf(row, dates)},x'${targetHash(row.longUrl).toString('hex')}')`)
      .join(',')}`,
  ];
  const tags = sorted.flatMap((row) =>
    Array.from(new Set(row.tags), (tag) => `(${placeOf(row, dates)},${toSqlText(tag)})`),
  );
  if (tags.length > 0)
    statements.push(
      `INSERT INTO link_tags (user_id, created_at, unique_id, slot, tag) VALUES ${tags.join(',')}`,
    );
  return statements;
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

function toLink(row: OwnedRow, dates: DateTimes): string {
  const rules = formatRules(row.rules);
  const target = toSqlText(row.longUrl);
  return `(${[
    row.slot,
    toSqlText(row.key),
    rules === null ? target : 'NULL',
    rules === null ? 'NULL' : target,
    dates.of(row.createdAt),
    `x'${row.requestId}'`,
    row.userId,
    row.expiresAt === null ? 'NULL' : dates.of(row.expiresAt),
    row.alias === true ? 1 : 0,
    row.title === null ? 'NULL' : toSqlText(row.title),
    rules === null ? 'NULL' : toSqlText(rules),
  ].join(',')})`;
}

function placeOf({ userId, createdAt, key, slot }: OwnedRow, dates: DateTimes): string {
  return `${userId},${dates.of(createdAt)},${toSqlText(key)},${slot}`;
}
