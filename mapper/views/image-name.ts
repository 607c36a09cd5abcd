import { hasKeyShape } from '../../db/keyspace/alias.ts';
import type { PictureType } from '../../db/urls/image-facts.ts';
import { EXTENSIONS } from '../pictures/extensions.ts';

/** An image as a URL names it: `/images/{key}`, perhaps with an extension. */
export interface ImageName {
  readonly key: string;
  /** With the dot. '': it has none. */
  readonly extension: string;
}

const IMAGE_PATH = /^\/images\/([A-Za-z0-9_-]+)(\.[a-z0-9]+)?$/;

/** @returns undefined for a path that can be that of no image */
export function parseImagePath(path: string): ImageName | undefined {
  const [, key = '', extension = ''] = IMAGE_PATH.exec(path) ?? [];
  return hasKeyShape(key) ? { key, extension } : undefined;
}

/** Whether a picture may be called so. Programs choose by extension what they do with a file. */
export function hasExtension(type: PictureType, extension: string): boolean {
  return extension === '' || EXTENSIONS[type].includes(extension);
}

/** The path of the picture. */
export function imagePathOf(key: string): string {
  return `/images/${key}`;
}
