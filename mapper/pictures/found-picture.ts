import type { ByteReader } from './byte-reader.ts';
import type { Picture } from './picture.ts';

/** What the reader of a format finds. */
export interface FoundPicture extends Picture {
  /** Of all frames together: what a decoder has to draw. */
  readonly pixels: number;
}

/**
 * Reads a file that begins as its format should, to the end of the picture.
 * @throws DamagedPicture
 */
export type FormatReader = (reader: ByteReader) => Promise<FoundPicture>;
