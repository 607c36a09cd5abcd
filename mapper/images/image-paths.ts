import type { PictureType } from '../../db/urls/image-facts.ts';
import { THUMBNAIL_SIZES } from '../pictures/decoder.ts';
import { EXTENSIONS } from '../pictures/extensions.ts';

/** Every path and query under which a cache may have stored an image: 10 of them, or 15 of a JPEG. */
export function imagePathsOf(key: string, type: PictureType): string[] {
  const names = [key, ...EXTENSIONS[type].map((extension) => `${key}${extension}`)];
  const queries = ['', ...THUMBNAIL_SIZES.map((size) => `?size=${size}`)];
  return names.flatMap((name) => queries.map((query) => `/images/${name}${query}`));
}
