import type { PictureType } from '../../db/urls/image-facts.ts';
import { THUMBNAIL_SIZES } from '../pictures/decoder.ts';

/** What may stand behind the key of an image of each type. Another extension is 404. */
export const EXTENSIONS: Readonly<Record<PictureType, readonly string[]>> = {
  jpeg: ['.jpg', '.jpeg'],
  png: ['.png'],
  gif: ['.gif'],
  webp: ['.webp'],
  avif: ['.avif'],
};

/** Every path and query under which a cache may have stored an image: 10 of them, or 15 of a JPEG. */
export function imagePathsOf(key: string, type: PictureType): string[] {
  const names = [key, ...EXTENSIONS[type].map((extension) => `${key}${extension}`)];
  const queries = ['', ...THUMBNAIL_SIZES.map((size) => `?size=${size}`)];
  return names.flatMap((name) => queries.map((query) => `/images/${name}${query}`));
}
