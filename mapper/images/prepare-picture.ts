import type { ImageFacts } from '../../db/urls/image-facts.ts';
import { Problem } from '../http/problem.ts';
import type { Decoder } from '../pictures/decoder.ts';
import { piecesOf } from '../pictures/parts.ts';
import {
  MAX_PIXELS,
  type Part,
  type Picture,
  type PictureFault,
  type PictureSource,
} from '../pictures/picture.ts';
import type { Spool, SpoolFile } from './spool.ts';

/** A picture as it will be stored. */
export interface PreparedPicture {
  readonly facts: Omit<ImageFacts, 'deleteTokenHash'>;
  /** Exactly the bytes to store. */
  readonly file: SpoolFile;
}

/** Reads a picture without decoding it. @returns the fault of one that is not taken */
export type ReadPicture = (source: PictureSource) => Promise<Picture | PictureFault>;

export interface PreparePictureOptions {
  readonly read: ReadPicture;
  readonly decoder: Pick<Decoder, 'check'>;
  readonly spool: Spool;
}

/**
 * Checks a picture, and leaves out its metadata.
 * @param stack disposes of the file, if it is another one than `posted`
 * @param owner null: somebody who is not known
 * @throws Problem 415 no picture, 422 damaged or too large, 503 the decoder is busy
 */
export async function preparePicture(
  posted: SpoolFile,
  stack: AsyncDisposableStack,
  { read, decoder, spool }: PreparePictureOptions,
  owner: bigint | null,
): Promise<PreparedPicture> {
  const found = await read(posted);
  if ('kind' in found) throw toProblem(found);
  const { type, width, height, frames, parts } = found;
  let file = posted;
  if (!isWhole(parts, posted.bytes)) {
    file = stack.use(await spool.create());
    for await (const piece of piecesOf(posted, parts)) await file.write(piece);
    await file.finish();
    posted.release();
  }
  // Others may need the memory while this picture waits for the decoder and the store.
  file.release();
  const fault = await decoder.check(
    file.path,
    { type, width, height, frames },
    owner === null ? undefined : String(owner),
  );
  if (fault !== undefined) throw toProblem(fault);
  return { facts: { type, width, height, bytes: file.bytes, sha256: file.sha256 }, file };
}

function isWhole(parts: readonly Part[], bytes: number): boolean {
  const [first, ...others] = parts;
  return others.length === 0 && first !== undefined && 'from' in first && first.to - first.from === bytes;
}

function toProblem(fault: PictureFault): Problem {
  switch (fault.kind) {
    case 'unknown-type':
      return new Problem('not-an-image');
    case 'damaged':
      return new Problem('damaged-image', {
        detail: `The picture ${fault.why}.`,
        errors: [{ field: 'image', reason: fault.why }],
      });
    case 'too-many-pixels':
      break;
  }
  const reason = `has ${fault.pixels} pixels in all its frames, of ${MAX_PIXELS} at most`;
  return new Problem('too-many-pixels', {
    detail: `The picture ${reason}.`,
    errors: [{ field: 'image', reason }],
  });
}
