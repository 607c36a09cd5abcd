import { hash, randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { placeOf } from '../../db/blobs/directory-layout.ts';
import { openBlobStore, prepareBlobStore } from '../../db/blobs/open-blob-store.ts';
import { slotOf } from '../../db/keyspace/placement.ts';
import type { OwnedRow } from '../../db/own-links/owned-insert.ts';
import { openOwnLinksDb } from '../../db/own-links/own-links-db.ts';
import { blobNameOf, imageTarget, type ImageFacts } from '../../db/urls/image-facts.ts';
import { parseSlots } from '../../runtime/config/slots.ts';
import type { KeyFile, Requests } from '../load/wrk.ts';
import { SILENT_LOG } from '../servers/environment.ts';
import type { PrivateCluster } from './private-cluster.ts';

/** Images that a bench reads: stored without a mapper, in a directory of their own. */
export interface StoredPictures {
  /** What a mapper must be told to serve them. */
  readonly settings: Readonly<Record<string, string>>;
  /** The file of each picture, by the path of its request. */
  readonly files: Readonly<Record<string, string>>;
  readonly paths: readonly string[];
  /** All of them, again and again. */
  readonly requests: () => Requests;
}

const INSERT_TIMEOUT_MS = 30_000;

/** @param bytes of each picture: nobody decodes them, so they are random */
export async function storePictures(
  cluster: PrivateCluster,
  { count, bytes }: { readonly count: number; readonly bytes: number },
): Promise<StoredPictures> {
  const path = join(cluster.dir, `pictures-${count}`);
  const config = { kind: 'directory', path } as const;
  await prepareBlobStore(config);
  const store = await openBlobStore(config, { log: SILENT_LOG, pollMs: 0 });
  const rows: OwnedRow[] = [];
  const files: Record<string, string> = {};
  for (const key of cluster.links.freshUnknownKeys(count)) {
    const content = randomBytes(bytes);
    const sha256 = hash('sha256', content, 'hex');
    const name = blobNameOf(key, sha256);
    await store.put(name, { bytes, read: () => Readable.from([content]) });
    rows.push(
      toRow(key, { type: 'jpeg', width: 1_000, height: 1_000, bytes, sha256, deleteTokenHash: sha256 }),
    );
    files[`/images/${key}`] = placeOf(path, name).file;
  }
  await store.close();
  await insert(cluster, rows);
  const file = await writePaths(join(cluster.dir, `picture-paths-${count}`), Object.keys(files));
  return {
    settings: { KEYMILL_BLOBS: `file:${path}` },
    files,
    paths: Object.keys(files),
    requests: () => ({ kind: 'keys', file, offset: 0, count }),
  };
}

function toRow(key: string, image: ImageFacts): OwnedRow {
  return {
    key,
    slot: slotOf(key),
    longUrl: imageTarget(image.sha256),
    createdAt: new Date(),
    expiresAt: null,
    requestId: randomBytes(16).toString('hex'),
    userId: null,
    title: null,
    tags: [],
    rules: { image: { ...image, postedAt: new Date().toISOString() } },
  };
}

async function insert({ file }: PrivateCluster, rows: readonly OwnedRow[]): Promise<void> {
  for (const { name, url, slots: text } of file.urlsDbs) {
    const slots = parseSlots(text.replaceAll(',', '+')) ?? [];
    const db = openOwnLinksDb({ name, url, slots });
    const own = rows.filter(({ slot }) => slots.includes(slot));
    await db.insert(own, { timeoutMs: INSERT_TIMEOUT_MS });
    await db.close();
  }
}

/** The paths, without their first slash, as wrk reads keys. */
async function writePaths(path: string, paths: readonly string[]): Promise<KeyFile> {
  const keys = paths.map((one) => one.slice(1));
  await writeFile(path, keys.join(''));
  return { path, keyLength: keys[0]?.length ?? 0, count: keys.length };
}
