import { randomBytes } from 'node:crypto';
import { hasLooseEnd } from '../../db/keyspace/loose-ends.ts';
import { slotOf } from '../../db/keyspace/placement.ts';
import { openMysql, type Mysql } from '../../db/mysql/mysql.ts';
import { type LinkRow } from '../../db/urls/link.ts';
import { openUrlsDb, type UrlsDb } from '../../db/urls/links.ts';
import { ALL_SLOTS } from '../../runtime/config/slots.ts';
import { createLog } from '../../runtime/log.ts';
import { migratedDatabase } from '../migrated-database.ts';

const log = createLog('test', 'urls', 'silent');

export const LOWER = ALL_SLOTS.slice(0, 16);
export const UPPER = ALL_SLOTS.slice(16);

/** A key as producers make them: none begins or ends with a character that programs cut off. */
export function randomKey(): string {
  const key = randomBytes(6).toString('base64url');
  return hasLooseEnd(key) ? randomKey() : key;
}

/** A key in one of `slots`. */
export function keyIn(slots: readonly number[]): string {
  for (;;) {
    const key = randomKey();
    if (slots.includes(slotOf(key))) return key;
  }
}

export function linkRow(key: string, fields: Partial<LinkRow> = {}): LinkRow {
  return {
    key,
    slot: slotOf(key),
    longUrl: `https://example.com/${key}`,
    userId: null,
    createdAt: new Date('2026-11-22T23:59:59.987Z'),
    expiresAt: null,
    requestId: randomBytes(16).toString('hex'),
    ...fields,
  };
}

/** Makes a urls database without links and without a record of slots, and returns its URL. */
export async function emptyUrlsDatabase(): Promise<string> {
  return migratedDatabase('urls', 'urls');
}

/** The urls databases that a test opens. They are closed together. */
export class OpenUrlsDbs {
  readonly #open: UrlsDb[] = [];

  open(url: string, slots: readonly number[] = ALL_SLOTS, name = 'urls-1'): UrlsDb {
    const opened = openUrlsDb({ name, url, slots, log, timeoutMs: 1_500 });
    this.#open.push(opened);
    return opened;
  }

  async closeAll(): Promise<void> {
    await Promise.all(this.#open.splice(0).map(async (opened) => opened.close()));
  }
}

/** Plain SQL on a database, without the code under test. */
export async function withSql<T>(url: string, work: (sql: Mysql) => Promise<T>): Promise<T> {
  const sql = openMysql(url, { name: 'test' });
  try {
    return await work(sql);
  } finally {
    await sql.close();
  }
}
