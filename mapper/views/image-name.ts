import { hasKeyShape } from '../../db/keyspace/alias.ts';
import type { PictureType } from '../../db/urls/image-facts.ts';

/** An image as a URL names it: `/images/{key}`, perhaps with an extension. */
export interface ImageName {
  readonly key: string;
  /** Without the dot. Undefined: it has none. */
  readonly extension: string | undefined;
}

const IMAGE_PATH = /^\/images\/([A-Za-z0-9_-]+)(?:\.([a-z0-9]+))?$/;

/** @returns undefined for a path that can be that of no image */
export function parseImagePath(path: string): ImageName | undefined {
  const [, key = '', extension] = IMAGE_PATH.exec(path) ?? [];
  return hasKeyShape(key) ? { key, extension } : undefined;
}

/** The usual one first. */
const EXTENSIONS: Readonly<Record<PictureType, readonly [string, ...string[]]>> = {
  jpeg: ['jpg', 'jpeg'],
  png: ['png'],
  gif: ['gif'],
  webp: ['webp'],
  avif: ['avif'],
};

/** Whether a picture may be called so. Programs choose by extension what they do with a file. */
export function hasExtension(type: PictureType, extension: string | undefined): boolean {
  return extension === undefined || EXTENSIONS[type].includes(extension);
}

/** The path of the picture, with the extension of its type. */
export function imagePathOf(key: string, type: PictureType): string {
  return `/images/${key}.${EXTENSIONS[type][0]}`;
}
