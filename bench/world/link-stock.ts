import { randomBytes } from 'node:crypto';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { createKeyspace, type Keyspace } from '../../db/keyspace/key.ts';
import { slotOf } from '../../db/keyspace/placement.ts';
import type { SqlValue } from '../../db/mysql/driver.ts';
import { openMysql, type Mysql } from '../../db/mysql/mysql.ts';
import { ALL_SLOTS, parseSlots } from '../../runtime/config/slots.ts';
import type { KeyFile } from '../load/wrk.ts';
import type { BenchRun } from '../method/bench-run.ts';

export interface LinkStockOptions {
  readonly dir: string;
  readonly urlsDbs: readonly { readonly name: string; readonly url: string; readonly slots: string }[];
  readonly keySecret: string;
}

const KEY_LENGTH = 8;
const REGION_BITS = 10;
/** Regions of the key space without a keys-db: the cluster never issues these keys. */
const STORED_REGION = 900;
const UNKNOWN_REGION = 901;
const BATCH = 100_000;
const ROWS_PER_INSERT = 2_000;
const TIMEOUT_MS = 120_000;

/**
 * Links that a bench reads: inserted in bulk without a mapper, with well-formed keys of the cluster's own
 * secret. The n-th stored link and the n-th unknown key are always the same.
 */
export class LinkStock {
  readonly #options: LinkStockOptions;
  readonly #keyspace: Keyspace;
  readonly #dbs: readonly Mysql[];
  /** For each slot, the index of its urls server. */
  readonly serverOfSlot: readonly number[];
  #stored = 0;
  #files = 0;
  #used = 0;

  constructor(options: LinkStockOptions) {
    this.#options = options;
    this.#keyspace = createKeyspace({
      length: KEY_LENGTH,
      secret: options.keySecret,
      regionBits: REGION_BITS,
    });
    this.#dbs = options.urlsDbs.map(({ url, name }) => openMysql(url, { name, connections: 2 }));
    const slots = options.urlsDbs.map((db) => new Set(parseSlots(db.slots.replaceAll(',', '+')) ?? []));
    this.serverOfSlot = ALL_SLOTS.map((slot) => slots.findIndex((own) => own.has(slot)));
  }

  get count(): number {
    return this.#stored;
  }

  /** The urls servers, in the order of the configuration. */
  get dbs(): readonly Mysql[] {
    return this.#dbs;
  }

  get urls(): readonly string[] {
    return this.#options.urlsDbs.map(({ url }) => url);
  }

  /** Stores links until there are at least `count`. */
  async fill(count: number, context: BenchRun): Promise<void> {
    if (count <= this.#stored) return;
    const progress = context.progress('storing links', count, 'links');
    while (this.#stored < count) {
      context.signal.throwIfAborted();
      const keys = this.keys(this.#stored, Math.min(BATCH, count - this.#stored));
      await this.#insert(keys);
      this.#stored += keys.length;
      progress.update(this.#stored);
    }
    progress.stop();
  }

  /** Keys of stored links (below `count`), or of links that `fill` stores later. */
  keys(first: number, count: number): string[] {
    return this.#keyspace.keysOf(STORED_REGION, first + 1, count);
  }

  /** Keys that have no link. */
  unknownKeys(first: number, count: number): string[] {
    return this.#keyspace.keysOf(UNKNOWN_REGION, first + 1, count);
  }

  /**
   * The next keys that no row of this run has used, so that no mapper has them in memory. Stores more when
   * they run out.
   */
  async freshKeys(count: number, context: BenchRun): Promise<string[]> {
    const first = this.#used;
    this.#used += count;
    await this.fill(this.#used, context);
    return this.keys(first, count);
  }

  /** The next unknown keys that no row of this run has used. */
  freshUnknownKeys(count: number): string[] {
    const first = this.#used;
    this.#used += count;
    return this.unknownKeys(first, count);
  }

  /** Writes keys to a file for wrk: indexes of stored links, or −1 − n for the n-th unknown key. */
  async writeKeys(sequence: Int32Array): Promise<KeyFile> {
    const known = sequence.reduce((most, index) => Math.max(most, index + 1), 0);
    const unknown = sequence.reduce((most, index) => Math.max(most, -index), 0);
    const stored = known === 0 ? Buffer.alloc(0) : this.#keyspace.bytesOf(STORED_REGION, 1, known);
    const others = unknown === 0 ? Buffer.alloc(0) : this.#keyspace.bytesOf(UNKNOWN_REGION, 1, unknown);
    const stride = KEY_LENGTH + 1;
    const text = Buffer.alloc(sequence.length * KEY_LENGTH);
    sequence.forEach((index, i) => {
      const [from, at] = index >= 0 ? [stored, index] : [others, -1 - index];
      from.copy(text, i * KEY_LENGTH, at * stride, at * stride + KEY_LENGTH);
    });
    const path = join(this.#options.dir, `bench-keys-${this.#files++}`);
    await using file = await open(path, 'w');
    await file.writeFile(text);
    return { path, keyLength: KEY_LENGTH, count: sequence.length };
  }

  /** Bytes that a stored link takes by the servers' account, index and free space included. */
  async rowBytes(): Promise<number> {
    let [rows, bytes] = [0, 0];
    for (const db of this.#dbs) {
      await db.execute('ANALYZE TABLE urls', [], { timeoutMs: TIMEOUT_MS });
      const sql =
        "SELECT data_length + index_length AS bytes, (SELECT COUNT(*) FROM urls) AS n FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'urls'";
      const found = await db.query<{ bytes: number; n: number }>(sql, [], { timeoutMs: TIMEOUT_MS });
      rows += found[0]?.n ?? 0;
      bytes += found[0]?.bytes ?? 0;
    }
    return bytes / rows;
  }

  async close(): Promise<void> {
    await Promise.all(this.#dbs.map(async (db) => db.close()));
  }

  /** In the order of the primary key, so that the tree grows at the ends of its slots only. */
  async #insert(keys: readonly string[]): Promise<void> {
    const rows = keys
      .map((key) => ({ slot: slotOf(key), key }))
      .sort((a, b) => a.slot - b.slot || (a.key < b.key ? -1 : 1));
    await Promise.all(
      this.#dbs.map(async (db, server) => {
        const own = rows.filter(({ slot }) => this.serverOfSlot[slot] === server);
        for (let at = 0; at < own.length; at += ROWS_PER_INSERT) {
          const values = own.slice(at, at + ROWS_PER_INSERT).map(({ slot, key }) => valuesOf(slot, key));
          const columns = 'slot, unique_id, original_url, created_at, request_id';
          await db.execute(`INSERT INTO urls (${columns}) VALUES ?`, [values], { timeoutMs: TIMEOUT_MS });
        }
      }),
    );
  }
}

const CREATED_AT = '2026-01-01 00:00:00.000';

/** Every target has the same length, because the bare server sends one target for all keys. */
function valuesOf(slot: number, key: string): SqlValue[] {
  return [slot, key, `https://example.com/articles/${key}?from=bench`, CREATED_AT, randomBytes(16)];
}
