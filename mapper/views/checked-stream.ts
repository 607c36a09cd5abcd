import { createHash, type Hash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { DamagedBlobError } from '../../db/blobs/blob-errors.ts';
import { StoreUnavailableError } from '../../db/store-errors.ts';
import { AnswerDeadline } from '../../runtime/answer-deadline.ts';

/** Bytes of a blob on their way, and what is known of them. */
export interface Expected {
  /** For logs. */
  readonly name: string;
  /** Of the store, for logs. */
  readonly store: string;
  /** How many must come. */
  readonly bytes: number;
  /** SHA-256 of them, 64 hex digits. Undefined: it is not compared. */
  readonly sha256?: string | undefined;
}

/** How long a store may think about the next bytes. */
export const CHUNK_TIMEOUT_MS = 5_000;

/**
 * The chunks of a stream, and an error instead of the last one if all together are not what is expected. So
 * nobody who waits for the end gets wrong bytes as a whole. Ends the stream, however it is left.
 * @throws DamagedBlobError; StoreUnavailableError when the stream breaks off or stands still
 */
export async function* checkedChunks(
  stream: Readable,
  { name, store, bytes, sha256 }: Expected,
  timeoutMs = CHUNK_TIMEOUT_MS,
): AsyncGenerator<Buffer, void> {
  const hash = sha256 === undefined ? undefined : createHash('sha256');
  let held: Buffer | undefined;
  let count = 0;
  try {
    for await (const chunk of chunksInTime(stream, store, timeoutMs)) {
      count += chunk.length;
      if (count > bytes) throw new DamagedBlobError(name, `it has more than ${bytes} bytes`);
      hash?.update(chunk);
      if (held !== undefined) yield held;
      held = chunk;
    }
    if (count < bytes) throw new DamagedBlobError(name, `it ends after ${count} of ${bytes} bytes`);
    if (!hasHash(hash, sha256)) throw new DamagedBlobError(name, 'it has other bytes than were stored');
    if (held !== undefined) yield held;
  } finally {
    stream.destroy();
  }
}

/**
 * All bytes of a stream.
 * @param whole where they go, as long as they are. Default: memory of its own, not of the pool of small
 *   buffers, which would keep others in memory
 * @throws like {@link checkedChunks}
 */
export async function readWhole(
  stream: Readable,
  expected: Expected,
  whole: Buffer = Buffer.allocUnsafeSlow(expected.bytes),
): Promise<Buffer> {
  let at = 0;
  for await (const chunk of checkedChunks(stream, expected)) at += chunk.copy(whole, at);
  return whole;
}

/** Bytes hashed in one turn of the event loop: others wait a fraction of a millisecond. */
const HASHED_PER_TURN = 256 * 1024;

/** @throws DamagedBlobError when whole bytes have another hash */
export async function checkHash(whole: Buffer, { name, sha256 }: Expected): Promise<void> {
  const hash = createHash('sha256');
  for (let at = 0; at < whole.length; at += HASHED_PER_TURN) {
    if (at > 0) await nextTurn();
    hash.update(whole.subarray(at, at + HASHED_PER_TURN));
  }
  if (!hasHash(hash, sha256)) throw new DamagedBlobError(name, 'it has other bytes than were stored');
}

function hasHash(hash: Hash | undefined, sha256: string | undefined): boolean {
  return hash === undefined || hash.digest('hex') === sha256;
}

/** While a client is slow, nobody asks the store for more, and its time does not run. */
async function* chunksInTime(
  stream: Readable,
  store: string,
  timeoutMs: number,
): AsyncGenerator<Buffer, void> {
  const chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  const next = async (): Promise<IteratorResult<Buffer>> => {
    const deadline = new AnswerDeadline(timeoutMs, () =>
      stream.destroy(new StoreUnavailableError(store, 'it stopped in the middle of a blob')),
    );
    try {
      return await chunks.next();
    } catch (error) {
      throw error instanceof StoreUnavailableError
        ? error
        : new StoreUnavailableError(store, 'a blob broke off', error);
    } finally {
      deadline.clear();
    }
  };
  for (let piece = await next(); piece.done !== true; piece = await next()) yield piece.value;
}
