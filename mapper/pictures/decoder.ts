import type { PictureFault } from './picture.ts';

/** Longer side of a thumbnail, in pixels. */
export const THUMBNAIL_SIZES = [160, 320, 640, 1024] as const;

export type ThumbnailSize = (typeof THUMBNAIL_SIZES)[number];

/**
 * Decodes pictures, in a process of its own that may be killed. Every method may throw Problem 503: too many
 * wait, or the process died over this picture more than once.
 */
export interface Decoder {
  /** Decodes every frame. @returns undefined: the picture is whole */
  check(file: string): Promise<PictureFault | undefined>;
  /**
   * The first frame as WebP, turned upright, not larger than the picture. Colours and transparency are kept,
   * metadata are not.
   */
  thumbnail(picture: Uint8Array, size: ThumbnailSize): Promise<Buffer>;
  close(): void;
}
