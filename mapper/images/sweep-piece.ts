import type { BlobStat, BlobStore } from '../../db/blobs/blob-store.ts';
import type { ImageRow } from '../../db/own-links/image-rows.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import { judge, parseBlobName, type Swept, type Unknown } from './sweep.ts';

/** Where the rows of images are. */
export interface SweptRows {
  /** The rows of some keys. Those whose server cannot say are left out of both. */
  read(keys: readonly string[]): Promise<{
    readonly rows: ReadonlyMap<string, ImageRow>;
    readonly notRead: ReadonlySet<string>;
  }>;
  /** Why rows may have been lost that were read as missing; undefined: they were not. */
  whyLost(): Promise<string | undefined>;
  /** Ends an image that expired long ago. @returns false: it has not, or has changed */
  endLapsed(row: ImageRow): Promise<boolean>;
}

export interface SweepOptions {
  readonly store: Pick<BlobStore, 'list' | 'delete'>;
  readonly rows: SweptRows;
  /** Only says what would be deleted. */
  readonly isDryRun?: boolean;
  /** Wall clock, in ms. */
  readonly now?: () => number;
  readonly onSwept: (blob: BlobStat, why: Swept) => void;
  readonly onUnknown?: (blob: BlobStat, why: Unknown) => void;
}

export interface SweptPiece {
  /** The name of the last blob that was judged. Undefined: there are no more. */
  readonly position: string | undefined;
  readonly looked: number;
  /** Why nothing was deleted that should have been. */
  readonly refusal: string | undefined;
}

/** Everything of ours is behind this. */
export const IMAGES_PREFIX = 'images/';
/** Blobs of one piece: one page of a list of S3. */
const BLOBS_AT_ONCE = 1_000;
/** A piece ends early after so long, behind the last blob that it has deleted. */
const PIECE_MS = 2_000;

/**
 * Judges the next blobs, and deletes those that nobody needs. It may be repeated, and run twice at once.
 * @throws StoreUnavailableError when the store does not answer
 */
export async function sweepPiece(options: SweepOptions, after: string | undefined): Promise<SweptPiece> {
  const { store, rows, now = Date.now, onUnknown } = options;
  const startedMs = monotonicMs();
  const blobs = await nextBlobs(store, after);
  const keys = new Set(blobs.flatMap(({ name }) => parseBlobName(name)?.key ?? []));
  const read = await rows.read([...keys]);
  const doomed: { blob: BlobStat; why: Swept; row: ImageRow | undefined }[] = [];
  for (const blob of blobs) {
    const key = parseBlobName(blob.name)?.key ?? '';
    const row = read.notRead.has(key) ? 'not-read' : read.rows.get(key);
    const verdict = judge(blob, row, now());
    if (verdict.kind === 'unknown') onUnknown?.(blob, verdict.why);
    else if (verdict.kind === 'delete')
      doomed.push({ blob, why: verdict.why, row: row === 'not-read' ? undefined : row });
  }
  const end = blobs.length < BLOBS_AT_ONCE ? undefined : blobs.at(-1)?.name;
  const looked = blobs.length;
  // Asked after the rows were read, and before anything goes.
  const refusal = doomed.length === 0 ? undefined : await rows.whyLost();
  if (refusal !== undefined) return { position: end, looked, refusal };
  /** By key: an image has several blobs, and ends once. */
  const ended = new Map<string, boolean>();
  for (const [index, { blob, why, row }] of doomed.entries()) {
    if (!options.isDryRun) {
      if (why === 'expired' && row !== undefined) {
        if (!ended.has(row.key)) ended.set(row.key, await rows.endLapsed(row));
        if (ended.get(row.key) === false) continue;
      }
      await store.delete(blob.name);
    }
    options.onSwept(blob, why);
    const isLast = index === doomed.length - 1;
    if (!isLast && !options.isDryRun && monotonicMs() - startedMs > PIECE_MS)
      return { position: blob.name, looked: blobs.indexOf(blob) + 1, refusal };
  }
  return { position: end, looked, refusal };
}

async function nextBlobs(store: Pick<BlobStore, 'list'>, after: string | undefined): Promise<BlobStat[]> {
  const blobs: BlobStat[] = [];
  for await (const blob of store.list(IMAGES_PREFIX, after)) {
    blobs.push(blob);
    if (blobs.length === BLOBS_AT_ONCE) break;
  }
  return blobs;
}
