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
 * Looks for the bytes of an image.
 * @param rows where its link is read again when they are missing: it may have been deleted meanwhile
 * @throws StoreUnavailableError when the store does not answer
 */
export async function checkImage(
  { store, rows, isHashed }: ImageChecks,
  { key, rules }: ImageRow,
): Promise<CheckedImage | undefined> {
  const { image } = knownRules(rules);
  // A newer program knows what it means.
  if (image === undefined) return undefined;
  const { bytes, sha256 } = image;
  const blob = blobNameOf(key, sha256);
  const fault = await faultOf(store, blob, { bytes, sha256: isHashed ? sha256 : undefined });
  if (fault === undefined) return { blob, bytes, fault };
  const again = (await rows.read([key])).rows.get(key);
  const isStill = again !== undefined && !again.isGone && knownRules(again.rules).image?.sha256 === sha256;
  return isStill ? { blob, bytes, fault } : undefined;
}

export interface ImageChecks {
  readonly store: Pick<BlobStore, 'stat' | 'get'>;
  readonly rows: Pick<SweptRows, 'read'>;
  /** All bytes are read. */
  readonly isHashed: boolean;
}

async function faultOf(
  store: ImageChecks['store'],
  blob: string,
  { bytes, sha256 }: { readonly bytes: number; readonly sha256: string | undefined },
): Promise<FaultOfImage | undefined> {
  const found = await store.stat(blob);
  if (found === undefined) return 'bytes-missing';
  if (found.bytes !== bytes) return 'wrong-length';
  return sha256 !== undefined && (await hashOf(store, blob)) !== sha256 ? 'wrong-hash' : undefined;
}

async function hashOf(store: Pick<BlobStore, 'get'>, blob: string): Promise<string | undefined> {
  const open = await store.get(blob);
  if (open === undefined) return undefined;
  const hash = createHash('sha256');
  for await (const piece of open.stream) hash.update(piece as Buffer);
  return hash.digest('hex');
}

/** `waits`: no link needs it, and a sweep will take it. `stranger`: its name is none of ours. */
export type FindingOfBlob = 'waits' | 'stranger' | 'unknown' | 'link-missing' | undefined;

/**
 * Looks for the links of some blobs.
 */
export async function checkOwner(
  rows: Pick<SweptRows, 'read'>,
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
  if (verdict.kind === 'unknown') return verdict.why === 'name' ? 'stranger' : 'unknown';
  if (verdict.kind === 'delete') return verdict.why === 'unbound' ? 'link-missing' : 'waits';
  const isYoung = nowMs - blob.storedAt.getTime() <= UNBOUND_MS;
  return row === undefined && isYoung ? 'waits' : undefined;
}
