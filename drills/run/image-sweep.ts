import { openBlobStore } from '../../db/blobs/open-blob-store.ts';
import type { BlobStore } from '../../db/blobs/blob-store.ts';
import { slotOf } from '../../db/keyspace/placement.ts';
import { openMysql, type Mysql } from '../../db/mysql/mysql.ts';
import { readRows, type ImageRow } from '../../db/own-links/image-rows.ts';
import { blobNameOf } from '../../db/urls/image-facts.ts';
import { sweepPiece } from '../../mapper/images/sweep-piece.ts';
import { parseBlobName } from '../../mapper/images/sweep.ts';
import type { BlobsConfig } from '../../runtime/config/images.ts';
import { parseSlots } from '../../runtime/config/slots.ts';
import { createLog } from '../../runtime/log.ts';
import type { DrillRun } from './drill-run.ts';

/** The sweep spares what was stored within a day. */
const TWO_DAYS_MS = 2 * 86_400_000;
const IMAGES = 'images/';
/** Violations that are described. */
const MAX_SENTENCES = 5;

export interface CheckedStore {
  /** Blobs that were swept. */
  readonly swept: number;
}

interface Server {
  readonly db: Mysql;
  readonly slots: readonly number[];
}

/**
 * Sweeps a store as a mapper does two days later, and compares what is left with the links: all bytes have
 * their image, and every image that was made since has its bytes. The load must have ended.
 */
export async function checkStore(run: DrillRun, config: BlobsConfig, since: Date): Promise<CheckedStore> {
  await using stack = new AsyncDisposableStack();
  const log = createLog('drill', 'sweep', 'silent');
  const store = stack.adopt(await openBlobStore(config, { log, pollMs: 0 }), async (open) => open.close());
  const servers = run.cluster.file.urlsDbs.map(({ name, url, slots }) => ({
    db: stack.use(openMysql(url, { name, connections: 1 })),
    slots: parseSlots(slots) ?? [],
  }));
  const before = await namesOf(store);
  const swept = await sweepAll(store, servers);
  const left = await namesOf(store);
  const images = await imagesSince(servers, since);
  const rows = await rowsOf(servers, [...left].map(keyOf));
  const orphans = [...left].filter((name) => !isNeeded(name, rows.get(keyOf(name))));
  const missing = images.filter(({ key, rules }) => !left.has(blobNameOf(key, rules.image?.sha256 ?? '')));
  run.event(
    `${before.size} blobs were stored; ${swept} were swept; ${left.size} are left, of ${images.length} images`,
  );
  const report = (what: string, names: readonly string[]): void => {
    for (const name of names.slice(0, MAX_SENTENCES)) run.violation(`${name} ${what}`);
  };
  report('has no image, and was not swept', orphans);
  report(
    'has no bytes',
    missing.map(({ key }) => key),
  );
  return { swept };
}

async function namesOf(store: BlobStore): Promise<Set<string>> {
  const names = new Set<string>();
  for await (const { name } of store.list(IMAGES)) names.add(name);
  return names;
}

/** @returns how many blobs were deleted */
async function sweepAll(store: BlobStore, servers: readonly Server[]): Promise<number> {
  let swept = 0;
  let after: string | undefined;
  do {
    const piece = await sweepPiece(
      {
        store,
        rows: {
          read: async (keys) => ({ rows: await rowsOf(servers, keys), notRead: new Set() }),
          whyLost: async () => undefined,
          endLapsed: async () => false,
        },
        now: () => Date.now() + TWO_DAYS_MS,
        onSwept: () => (swept += 1),
      },
      after,
    );
    after = piece.position;
  } while (after !== undefined);
  return swept;
}

function keyOf(name: string): string {
  return parseBlobName(name)?.key ?? '';
}

function isNeeded(name: string, row: ImageRow | undefined): boolean {
  return row !== undefined && !row.isGone && row.rules.image?.sha256 === parseBlobName(name)?.sha256;
}

async function rowsOf(servers: readonly Server[], keys: readonly string[]): Promise<Map<string, ImageRow>> {
  const rows = new Map<string, ImageRow>();
  for (const { db, slots } of servers) {
    const own = keys.filter((key) => slots.includes(slotOf(key)));
    if (own.length === 0) continue;
    for (const [key, row] of (await readRows(db, own)).rows) rows.set(key, row);
  }
  return rows;
}

/** The images that were made since and were not deleted, also those that were not acknowledged. */
async function imagesSince(servers: readonly Server[], since: Date): Promise<ImageRow[]> {
  const keys: string[] = [];
  for (const { db } of servers) {
    const found = await db.query<{ unique_id: string }>(
      `SELECT unique_id FROM urls WHERE created_at >= ? AND deleted_at IS NULL AND rules LIKE '%"image"%'`,
      [since],
    );
    keys.push(...found.map(({ unique_id }) => unique_id));
  }
  return [...(await rowsOf(servers, keys)).values()];
}
