import { randomBytes } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { Readable } from 'node:stream';
import type { BlobContent, BlobStat, BlobStore, ByteRange } from '../../../db/blobs/blob-store.ts';

/** A content in pieces of 64 KiB, as files are read. */
export function contentOf(bytes: Buffer): BlobContent {
  return { bytes: bytes.length, read: () => Readable.from(piecesOf(bytes), { objectMode: false }) };
}

export function* piecesOf(bytes: Buffer, size = 65_536): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** `images/<key>/<hash>`, with a new key each time. */
export function newName(): string {
  return `images/${randomBytes(5).toString('hex')}/${randomBytes(32).toString('hex')}`;
}

export async function readBlob(
  store: BlobStore,
  name: string,
  range?: ByteRange,
  bytes?: number,
): Promise<Buffer | undefined> {
  const blob = await store.get(name, range, bytes);
  return blob === undefined ? undefined : buffer(blob.stream);
}

export async function listed(store: BlobStore, prefix: string): Promise<BlobStat[]> {
  const found: BlobStat[] = [];
  for await (const blob of store.list(prefix)) found.push(blob);
  return found;
}

export async function namesOf(store: BlobStore, prefix: string): Promise<string[]> {
  return (await listed(store, prefix)).map(({ name }) => name);
}
