import type { ImageFacts } from '../../db/urls/image-facts.ts';
import { DeadlineError } from '../../runtime/errors.ts';
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
import type { Spool } from './spool.ts';
import type { SpoolFile } from './spool-file.ts';
import type { UploadDeadline } from './upload-deadline.ts';

/** A picture as it will be stored. */
export interface PreparedPicture {
  readonly facts: Omit<ImageFacts, 'deleteTokenHash'>;
  /** Exactly the bytes to store. */
  readonly file: SpoolFile;
}

/** Reads a picture without decoding it. @returns the fault of one that is not taken */
export type ReadPicture = (source: PictureSource) => Promise<Picture | PictureFault>;

/** One upload. */
interface Preparing {
  /** Disposes of the file with the picture, if it is another one than the posted one. */
  readonly stack: AsyncDisposableStack;
  readonly deadline: UploadDeadline;
  /** Whose picture waits for the decoder: the owner, or the address of somebody who is not known. */
  readonly sender: bigint | string;
}

export interface PreparePictureOptions {
  readonly read: ReadPicture;
  readonly decoder: Pick<Decoder, 'check'>;
  readonly spool: Spool;
}

/**
 * Checks a picture, and leaves out its metadata.
 * @throws Problem 415 no picture, 422 damaged or too large, 503 the decoder is busy
 */
export async function preparePicture(
  posted: SpoolFile,
  { stack, deadline, sender }: Preparing,
  { read, decoder, spool }: PreparePictureOptions,
): Promise<PreparedPicture> {
  const found = await read(posted);
  if ('kind' in found) throw toProblem(found);
  const { type, width, height, frames, parts } = found;
  let file = posted;
  if (!isWhole(parts, posted.bytes)) {
    file = stack.use(await spool.create());
    for await (const piece of piecesOf(posted, parts)) await file.keep(piece);
    await file.finish();
    posted.release();
  }
  const sha256 = await file.hash();
  // Others may need the memory while this picture waits for the decoder and the store.
  file.release();
  const facts = { type, width, height, frames };
  const fault = await deadline
    .beforeBind('checking a picture', async () => decoder.check(file.path, facts, String(sender)))
    .catch((error: unknown) => {
      throw error instanceof DeadlineError ? new Problem('overloaded', { cause: error }) : error;
    });
  if (fault !== undefined) throw toProblem(fault);
  return { facts: { type, width, height, bytes: file.bytes, sha256 }, file };
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
