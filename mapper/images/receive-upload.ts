import { invalidFields, Problem } from '../http/problem.ts';
import { MAX_PICTURE_BYTES } from '../pictures/picture.ts';
import type { Spool, SpoolFile } from './spool.ts';

/** @throws Problem 413 */
export function tooLarge(): Problem {
  return new Problem('too-large', { detail: `A picture must not exceed ${MAX_PICTURE_BYTES} bytes.` });
}

/**
 * Keeps the bytes of a picture as they arrive.
 * @param stack disposes of the file
 * @param onKept called with each piece that is not needed any more
 * @throws Problem 413 too large, 422 no bytes at all, 503 there is no room
 */
export async function receiveBytes(
  pieces: AsyncIterable<Buffer>,
  stack: AsyncDisposableStack,
  spool: Spool,
  onKept?: (piece: Buffer) => void,
): Promise<SpoolFile> {
  const file = stack.use(await spool.create());
  for await (const piece of pieces) {
    if (file.bytes + piece.length > MAX_PICTURE_BYTES) throw tooLarge();
    await file.write(piece);
    onKept?.(piece);
  }
  await file.finish();
  if (file.bytes === 0) throw invalidFields([{ field: 'image', reason: 'is empty' }]);
  return file;
}

/** The same of a body that is nothing but the picture. Nobody else may keep its pieces. */
export async function receiveBody(
  pieces: AsyncIterable<Buffer>,
  stack: AsyncDisposableStack,
  spool: Spool,
): Promise<SpoolFile> {
  return receiveBytes(pieces, stack, spool, freeMemoryOf);
}

/**
 * V8 lets the memory of such pieces grow to 64 MiB before it collects them. A piece that has its memory for
 * itself gives it back now.
 */
function freeMemoryOf({ buffer, byteLength }: Buffer): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0);
}
