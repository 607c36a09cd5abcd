import { Problem } from '../http/problem.ts';
import { MAX_PICTURE_BYTES } from '../pictures/picture.ts';
import type { Spool, SpoolFile } from './spool.ts';

/** @throws Problem 413 */
export function tooLarge(): Problem {
  return new Problem('too-large', { detail: `A picture must not exceed ${MAX_PICTURE_BYTES} bytes.` });
}

/**
 * Keeps a body that is a picture.
 * @param stack disposes of the file
 * @throws Problem 413, 422 an empty body
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
  return file;
}
