import type { OwnLink } from '../../db/own-links/own-link.ts';
import { hasKeyShape } from '../../db/keyspace/alias.ts';
import { OutcomeUnknownError } from '../../db/store-errors.ts';
import type { ImageFacts, PictureType } from '../../db/urls/image-facts.ts';
import { mayAccess, type Caller } from '../links/access.ts';
import type { Announced, OwnLinks } from '../links/own-links.ts';
import { isDeleteToken } from './delete-token.ts';
import type { FrontCaches } from './front-caches.ts';
import { EXTENSIONS } from '../pictures/extensions.ts';
import type { BlobRemovals } from './remove-blobs.ts';

export interface DeleteImageOptions {
  readonly own: Pick<OwnLinks, 'purge'>;
  readonly removals: Pick<BlobRemovals, 'remove'>;
  readonly frontCaches: Pick<FrontCaches, 'refresh'>;
}

/** Who asks for a deletion, and how he proves that he may. */
export interface Deleter {
  /** Undefined: nobody who is known. */
  readonly caller: Caller | undefined;
  readonly token: string | undefined;
}

/**
 * Deletes an image for good: first its link, of which all mappers hear, then its bytes and what caches have.
 * @param name of the image in a path: its key, perhaps with an extension of its type
 * @returns undefined: there is no such image, or this one may not delete it. Nobody learns which
 * @throws StoreUnavailableError nothing has changed; OutcomeUnknownError
 */
export async function deleteImage(
  name: string,
  deleter: Deleter,
  { own, removals, frontCaches }: DeleteImageOptions,
): Promise<Announced | undefined> {
  const { key, extension } = splitName(name);
  if (!hasKeyShape(key)) return undefined;
  let image: ImageFacts | undefined;
  const mayPurge = (link: OwnLink): boolean => {
    if (!mayDelete(link, extension, deleter)) return false;
    ({ image } = link.rules);
    return true;
  };
  try {
    const purged = await own.purge(key, mayPurge);
    if (purged === undefined || image === undefined) return undefined;
    removals.remove(key);
    frontCaches.refresh(key, image.type);
    return purged.announced;
  } catch (error) {
    // It may be gone, and who asks again is only told that it is not there. The bytes of one that is gone
    // are for the sweep: this one may be there yet.
    if (image !== undefined && error instanceof OutcomeUnknownError) frontCaches.refresh(key, image.type);
    throw error;
  }
}

function mayDelete(link: OwnLink, extension: string | undefined, { caller, token }: Deleter): boolean {
  const { image } = link.rules;
  if (image === undefined || !isExtensionOf(image.type, extension)) return false;
  if (caller !== undefined && mayAccess(caller, link)) return true;
  return token !== undefined && isDeleteToken(token, image.deleteTokenHash);
}

function splitName(name: string): { readonly key: string; readonly extension: string | undefined } {
  const dot = name.indexOf('.');
  return dot < 0
    ? { key: name, extension: undefined }
    : { key: name.slice(0, dot), extension: name.slice(dot) };
}

function isExtensionOf(type: PictureType, extension: string | undefined): boolean {
  return extension === undefined || EXTENSIONS[type].includes(extension);
}
