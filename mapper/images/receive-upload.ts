import type { BodyStream } from '../http/body-stream.ts';
import { invalidFields, Problem } from '../http/problem.ts';
import { MAX_PICTURE_BYTES } from '../pictures/picture.ts';
import type { Spool } from './spool.ts';
import type { SpoolFile } from './spool-file.ts';

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
  for await (const piece of pieces) await keep(file, piece);
  return finished(file);
}

/** The same of a body that is nothing but the picture. Nobody else may keep its pieces. */
export async function receiveBody(
  { pieces, each }: Pick<BodyStream, 'pieces' | 'each'>,
  stack: AsyncDisposableStack,
  spool: Spool,
): Promise<SpoolFile> {
  const file = stack.use(await spool.create());
  const take = (piece: Buffer): Promise<void> | undefined => {
    const keeping = keep(file, piece);
    if (keeping !== undefined) return keeping.then(() => freeMemoryOf(piece));
    freeMemoryOf(piece);
    return undefined;
  };
  if (each !== undefined) await each(take);
  else for await (const piece of pieces) await take(piece);
  return finished(file);
}

function keep(file: SpoolFile, piece: Buffer): Promise<void> | undefined {
  if (file.bytes + piece.length > MAX_PICTURE_BYTES) throw tooLarge();
  return file.keep(piece);
}

async function finished(file: SpoolFile): Promise<SpoolFile> {
  await file.finish();
  if (file.bytes === 0) throw invalidFields([{ field: 'image', reason: 'is empty' }]);
  return file;
}

/**
 * V8 lets the memory of such pieces grow to 64 MiB before it collects them. A piece that has its memory for
 * itself gives it back now.
 */
function freeMemoryOf({ buffer, byteLength }: Buffer): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0);
}
