import type { Picture, PictureFault } from './picture.ts';

/** Longer side of a thumbnail, in pixels. */
export const THUMBNAIL_SIZES = [160, 320, 640, 1024] as const;

export type ThumbnailSize = (typeof THUMBNAIL_SIZES)[number];

/** What `readPicture` has found in the file that is decoded. */
export type FoundFacts = Pick<Picture, 'type' | 'width' | 'height' | 'frames'>;

/**
 * Decodes pictures, in a process of its own that may be killed. Every method may throw Problem 503: too many
 * wait, it takes too long, or the process died over this picture.
 */
export interface Decoder {
  /**
   * Decodes every frame.
   * @param file its path
   * @param found a picture that is decoded to something else is damaged
   * @returns undefined: the picture is whole
   */
  check(file: string, found: FoundFacts): Promise<PictureFault | undefined>;
  /**
   * The first frame as WebP, turned upright, not larger than the picture. Colours and transparency are kept,
   * metadata are not.
   * @param picture as `readPicture` has left it
   * @throws Error when it cannot be decoded: it has changed since it was checked
   */
  thumbnail(picture: Uint8Array, size: ThumbnailSize): Promise<Buffer>;
  close(): void;
}
