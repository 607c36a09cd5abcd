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
 * @throws Problem 413 too large, 422 no bytes at all, 503 there is no room
 */
export async function receiveBytes(
  pieces: AsyncIterable<Buffer>,
  stack: AsyncDisposableStack,
  spool: Spool,
): Promise<SpoolFile> {
  const file = stack.use(await spool.create());
  for await (const piece of pieces) {
    if (file.bytes + piece.length > MAX_PICTURE_BYTES) throw tooLarge();
    await file.write(piece);
  }
  await file.finish();
  if (file.bytes === 0) throw invalidFields([{ field: 'image', reason: 'is empty' }]);
  return file;
}
