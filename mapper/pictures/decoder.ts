import type { Picture, PictureFault } from './picture.ts';

/** Longer side of a thumbnail, in pixels. */
export const THUMBNAIL_SIZES = [160, 320, 640, 1024] as const;

export type ThumbnailSize = (typeof THUMBNAIL_SIZES)[number];

/** What `readPicture` has found in the file that is decoded. */
export type FoundFacts = Pick<Picture, 'type' | 'width' | 'height' | 'frames'>;

/**
 * For the entity tags of thumbnails: another version of libvips may make other bytes, which must not be
 * joined with parts of these. A test compares it with the version that there is.
 */
export const THUMBNAIL_MAKER = '8.18.7';

/** A picture that cannot be decoded, now or later. */
export class UndecodableError extends Error {
  override readonly name = 'UndecodableError';
}

/**
 * Decodes pictures, in a process of its own that may be killed. Every method may throw Problem 503: too many
 * wait, or the machine has no time for it.
 */
export interface Decoder {
  /**
   * Decodes every frame.
   * @param file its path
   * @param found a picture that is decoded to something else is damaged
   * @param owner whose turn it is. Undefined: all who are not known have their turns together
   * @returns undefined: the picture is whole
   */
  check(file: string, found: FoundFacts, owner?: string): Promise<PictureFault | undefined>;
  /**
   * The first frame as WebP, turned upright, not larger than the picture. Colours and transparency are kept,
   * metadata are not.
   * @param picture as `readPicture` has left it
   * @param client whose turn it is
   * @throws UndecodableError it has changed since it was checked, or takes longer than it did then
   */
  thumbnail(picture: Uint8Array, size: ThumbnailSize, client?: string): Promise<Buffer>;
  close(): void;
}
