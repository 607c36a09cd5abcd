import type { BlobStore } from '../../db/blobs/blob-store.ts';
import { slotOf } from '../../db/keyspace/placement.ts';
import type { OwnedRow } from '../../db/own-links/owned-insert.ts';
import { blobNameOf, imageTarget, type ImageFacts } from '../../db/urls/image-facts.ts';
import type { LinkRow } from '../../db/urls/link.ts';
import { OutcomeUnknownError, StoreUnavailableError } from '../../db/store-errors.ts';
import type { RandomIds } from '../../runtime/random-ids.ts';
import type { OwnLinks } from '../links/own-links.ts';
import { Problem } from '../http/problem.ts';
import type { Fate } from '../reservations/policy.ts';
import type { DrawnKey } from '../reservations/reserved-request.ts';
import { toProblem } from '../shorten/shorten-problems.ts';
import { createDeleteToken, type DeleteToken } from './delete-token.ts';
import type { ImageFields } from './image-fields.ts';
import type { PreparedPicture } from './prepare-picture.ts';

/** An image that was posted: its row, and the token that is shown once. */
export interface MadeImage {
  readonly row: Pick<OwnedRow, 'key' | 'createdAt' | 'expiresAt'>;
  readonly facts: ImageFacts;
  /** Undefined: it was there before. */
  readonly deleteToken: string | undefined;
}

export interface MakeImageOptions {
  readonly blobs: Pick<BlobStore, 'put' | 'stat'>;
  /** Draws a key for a server that takes links. @throws NoKeysError, StoreUnavailableError */
  readonly drawKey: () => Promise<DrawnKey>;
  /** See `Shortener.bindReserved`. */
  readonly bind: (row: LinkRow | OwnedRow) => Promise<'bound' | 'taken'>;
  /** Makes this mapper forget that it did not know a key. */
  readonly appeared: (key: string) => void;
  readonly own: Pick<OwnLinks, 'purge'>;
  readonly ids: RandomIds;
}

/** Who posts a picture, and what he says about it. */
export interface ImageWish {
  readonly picture: PreparedPicture;
  readonly fields: ImageFields;
  readonly userId: bigint | null;
}

/**
 * Makes a new image: draws a key, stores the bytes under its name, binds it, and looks whether the bytes are
 * still there. So an image that is answered has its bytes, whatever dies on the way.
 *
 * What was stored for a link that is not bound stays for the sweep: the key may be given out again in the
 * same moment, and a removal that came late would take away the bytes of its next image.
 * @throws Problem 503
 */
export async function makeImage(wish: ImageWish, options: MakeImageOptions): Promise<MadeImage> {
  const token = createDeleteToken();
  const facts = toFacts(wish.picture, token);
  const drawn = await options.drawKey().catch((error: unknown) => {
    throw toProblem(error);
  });
  const row: OwnedRow = {
    ...toUnbound(wish, facts),
    key: drawn.key,
    slot: slotOf(drawn.key),
    createdAt: new Date(),
    requestId: options.ids.next(),
  };
  let fate: Fate = 'unused';
  try {
    await storePicture(options.blobs, drawn.key, wish.picture);
    fate = 'unresolved';
    fate = (await options.bind(row)) === 'bound' ? 'bound' : 'duplicate';
  } catch (error) {
    throw error instanceof OutcomeUnknownError ? perhapsMade(error) : toProblem(error);
  } finally {
    drawn.settle(fate);
  }
  if (fate !== 'bound') throw new Problem('no-key');
  options.appeared(row.key);
  if (!(await whetherStored(options.blobs, row.key, facts))) {
    // It would be in a list, and show nothing.
    await options.own.purge(row.key, () => true).catch(() => undefined);
    throw blobsDown();
  }
  return { row, facts, deleteToken: token.text };
}

/** @throws Problem 503 */
export async function storePicture(
  blobs: Pick<BlobStore, 'put'>,
  key: string,
  { facts, file }: PreparedPicture,
): Promise<void> {
  try {
    await blobs.put(blobNameOf(key, facts.sha256), {
      bytes: file.bytes,
      read: () => file.stream(),
      file: file.path,
      syncFile: async () => file.sync(),
    });
  } catch (error) {
    throw error instanceof StoreUnavailableError ? blobsDown(error) : error;
  }
}

/** Whether the bytes of an image are there. @throws Problem 503 */
export async function whetherStored(
  blobs: Pick<BlobStore, 'stat'>,
  key: string,
  { sha256, bytes }: PreparedPicture['facts'],
): Promise<boolean> {
  const stored = await blobs.stat(blobNameOf(key, sha256)).catch((error: unknown) => {
    throw error instanceof StoreUnavailableError ? blobsDown(error) : error;
  });
  return stored?.bytes === bytes;
}

/** @throws Problem 503 when they are not */
export async function requireStored(...image: Parameters<typeof whetherStored>): Promise<void> {
  if (!(await whetherStored(...image))) throw blobsDown();
}

export function blobsDown(cause?: unknown): Problem {
  return new Problem('store-down', {
    detail: 'The store of images cannot be reached just now.',
    cause,
  });
}

function perhapsMade(cause: OutcomeUnknownError): Problem {
  return new Problem('store-down', {
    detail:
      'The store did not say whether it has kept this image. Look into your list before you send it again.',
    cause,
  });
}

export function toFacts({ facts }: PreparedPicture, token: DeleteToken): ImageFacts {
  return { ...facts, deleteTokenHash: token.hash, postedAt: new Date().toISOString() };
}

/** The link of an image, without what comes with its key. */
export function toUnbound(
  { fields, userId }: ImageWish,
  facts: ImageFacts,
): Omit<OwnedRow, 'key' | 'slot' | 'createdAt' | 'requestId' | 'alias'> {
  return {
    longUrl: imageTarget(facts.sha256),
    expiresAt: fields.expiration_date ?? null,
    userId,
    title: fields.title ?? null,
    tags: fields.tags ?? [],
    rules: { image: facts },
  };
}
