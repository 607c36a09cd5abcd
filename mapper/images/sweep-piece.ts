import { BlobRefusedError } from '../../db/blobs/blob-errors.ts';
import type { BlobStat, BlobStore } from '../../db/blobs/blob-store.ts';
import type { ImageRow } from '../../db/own-links/image-rows.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import { judge, parseBlobName, type Swept, type Unknown, type Verdict } from './sweep.ts';

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
  readonly store: Pick<BlobStore, 'list' | 'stat' | 'delete'>;
  readonly rows: SweptRows;
  /** Only says what would be deleted. */
  readonly isDryRun?: boolean;
  /** Wall clock, in ms. */
  readonly now?: () => number;
  readonly onSwept: (blob: BlobStat, why: Swept) => void;
  readonly onUnknown?: (blob: BlobStat, why: Unknown) => void;
  /** The store does not delete this blob. The others go on. */
  readonly onRefused?: (blob: BlobStat, error: BlobRefusedError) => void;
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
  const { store, rows, isDryRun = false, onUnknown } = options;
  const startedMs = monotonicMs();
  const blobs = await nextBlobs(store, after);
  const read = await rows.read([...new Set(blobs.map(keyOf).filter((key) => key !== ''))]);
  const doomed: { blob: BlobStat; why: Swept }[] = [];
  for (const blob of blobs) {
    const { verdict } = judgeWith(options, blob, read);
    if (verdict.kind === 'unknown') onUnknown?.(blob, verdict.why);
    else if (verdict.kind === 'delete') doomed.push({ blob, why: verdict.why });
  }
  const end = blobs.length < BLOBS_AT_ONCE ? undefined : blobs.at(-1)?.name;
  const looked = blobs.length;
  // Asked after the rows were read, and before anything goes.
  const refusal = doomed.length === 0 ? undefined : await rows.whyLost();
  if (refusal !== undefined) return { position: end, looked, refusal };
  for (const [index, { blob, why }] of doomed.entries()) {
    if (isDryRun || (await remove(options, blob))) options.onSwept(blob, why);
    const isLast = index === doomed.length - 1;
    if (!isLast && !isDryRun && monotonicMs() - startedMs > PIECE_MS)
      return { position: blob.name, looked: blobs.indexOf(blob) + 1, refusal };
  }
  return { position: end, looked, refusal };
}

type ReadRows = Awaited<ReturnType<SweptRows['read']>>;

function judgeWith(
  { now = Date.now }: SweepOptions,
  blob: BlobStat,
  { rows, notRead }: ReadRows,
): { readonly verdict: Verdict; readonly row: ImageRow | undefined } {
  const key = keyOf(blob);
  const row = rows.get(key);
  return { verdict: judge(blob, notRead.has(key) ? 'not-read' : row, now()), row };
}

/**
 * Deletes a blob, unless it is needed by now: since it was judged, its key may have been bound, or the bytes
 * stored again.
 * @returns false: it stays
 */
async function remove(options: SweepOptions, { name }: BlobStat): Promise<boolean> {
  const { store, rows, onRefused } = options;
  const blob = await store.stat(name);
  if (blob === undefined) return false;
  const { verdict, row } = judgeWith(options, blob, await rows.read([keyOf(blob)]));
  if (verdict.kind !== 'delete') return false;
  if (verdict.why === 'expired' && row !== undefined && !(await rows.endLapsed(row))) return false;
  try {
    await store.delete(name);
  } catch (error) {
    if (!(error instanceof BlobRefusedError)) throw error;
    onRefused?.(blob, error);
    return false;
  }
  return true;
}

/** Of a name that is none of ours it is empty. */
function keyOf({ name }: BlobStat): string {
  return parseBlobName(name)?.key ?? '';
}

async function nextBlobs(store: Pick<BlobStore, 'list'>, after: string | undefined): Promise<BlobStat[]> {
  const blobs: BlobStat[] = [];
  for await (const blob of store.list(IMAGES_PREFIX, after)) {
    blobs.push(blob);
    if (blobs.length === BLOBS_AT_ONCE) break;
  }
  return blobs;
}
