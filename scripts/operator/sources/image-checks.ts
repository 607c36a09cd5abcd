import { createHash } from 'node:crypto';
import type { BlobStat, BlobStore } from '../../../db/blobs/blob-store.ts';
import type { ImageRow } from '../../../db/own-links/image-rows.ts';
import { blobNameOf } from '../../../db/urls/image-facts.ts';
import { knownRules } from '../../../db/urls/link-rules.ts';
import type { SweptRows } from '../../../mapper/images/sweep-piece.ts';
import { judge, parseBlobName, UNBOUND_MS } from '../../../mapper/images/sweep.ts';

export type FaultOfImage = 'bytes-missing' | 'wrong-length' | 'wrong-hash' | 'link-missing';

/** What the store has for an image. */
export interface CheckedImage {
  readonly blob: string;
  /** As its link says. */
  readonly bytes: number;
  readonly fault: FaultOfImage | undefined;
}

/**
 * Looks for the bytes of an image. An image that was deleted for good meanwhile looks as if they were missing:
 * the caller reads its row again.
 * @throws StoreUnavailableError when the store does not answer
 */
export async function checkBlob(
  store: Pick<BlobStore, 'stat' | 'get'>,
  { key, rules }: ImageRow,
  isHashed: boolean,
): Promise<CheckedImage> {
  const { image } = knownRules(rules);
  // A newer program knows what it means.
  if (image === undefined) return { blob: `images/${key}/?`, bytes: 0, fault: undefined };
  const { bytes, sha256 } = image;
  const blob = blobNameOf(key, sha256);
  const found = await store.stat(blob);
  const fault =
    found === undefined
      ? 'bytes-missing'
      : found.bytes !== bytes
        ? 'wrong-length'
        : isHashed && (await hashOf(store, blob)) !== sha256
          ? 'wrong-hash'
          : undefined;
  return { blob, bytes, fault };
}

async function hashOf(store: Pick<BlobStore, 'get'>, blob: string): Promise<string | undefined> {
  const open = await store.get(blob);
  if (open === undefined) return undefined;
  const hash = createHash('sha256');
  for await (const piece of open.stream) hash.update(piece as Buffer);
  return hash.digest('hex');
}

/** `waits`: no link needs it, and a sweep will take it. */
export type FindingOfBlob = 'waits' | 'unknown' | 'link-missing' | undefined;

/**
 * Looks for the links of some blobs.
 * @throws StoreUnavailableError when a read fails that must not be left out
 */
export async function checkOwner(
  rows: SweptRows,
  blobs: readonly BlobStat[],
  nowMs: number,
): Promise<{ readonly blob: BlobStat; readonly finding: FindingOfBlob }[]> {
  const keys = new Set(blobs.flatMap(({ name }) => parseBlobName(name)?.key ?? []));
  const read = await rows.read([...keys]);
  return blobs.map((blob) => {
    const key = parseBlobName(blob.name)?.key ?? '';
    const row = read.notRead.has(key) ? 'not-read' : read.rows.get(key);
    return { blob, finding: findingOf(blob, row, nowMs) };
  });
}

function findingOf(blob: BlobStat, row: ImageRow | 'not-read' | undefined, nowMs: number): FindingOfBlob {
  const verdict = judge(blob, row, nowMs);
  if (verdict.kind === 'unknown') return 'unknown';
  if (verdict.kind === 'delete') return verdict.why === 'unbound' ? 'link-missing' : 'waits';
  const isYoung = nowMs - blob.storedAt.getTime() <= UNBOUND_MS;
  return row === undefined && isYoung ? 'waits' : undefined;
}
