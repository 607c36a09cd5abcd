import type { PictureType } from '../../db/urls/image-facts.ts';

/** What may stand behind the key of an image of each type. Another extension is 404. */
export const EXTENSIONS: Readonly<Record<PictureType, readonly string[]>> = {
  jpeg: ['.jpg', '.jpeg'],
  png: ['.png'],
  gif: ['.gif'],
  webp: ['.webp'],
  avif: ['.avif'],
};
