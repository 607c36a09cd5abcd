import type { BlobStore } from '../../db/blobs/blob-store.ts';
import { slotOf } from '../../db/keyspace/placement.ts';
import type { OwnedRow } from '../../db/own-links/owned-insert.ts';
import { blobNameOf, imageTarget, type ImageFacts } from '../../db/urls/image-facts.ts';
import type { LinkRow } from '../../db/urls/link.ts';
import { OutcomeUnknownError, StoreUnavailableError } from '../../db/store-errors.ts';
import { DeadlineError } from '../../runtime/errors.ts';
import type { RandomIds } from '../../runtime/random-ids.ts';
import type { OwnLinks } from '../links/own-links.ts';
import { invalidFields, Problem } from '../http/problem.ts';
import type { Fate } from '../reservations/policy.ts';
import type { DrawnKey } from '../reservations/reserved-request.ts';
import { toProblem } from '../shorten/shorten-problems.ts';
import { createDeleteToken, type DeleteToken } from './delete-token.ts';
import type { ImageFields } from './image-fields.ts';
import type { PreparedPicture } from './prepare-picture.ts';
import type { UploadDeadline } from './upload-deadline.ts';

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
  /** For all that is left to do. */
  readonly deadline: UploadDeadline;
}

/**
 * Makes a new image: draws a key, stores the bytes under its name, binds it, and looks whether the bytes are
 * still there. So an image that is answered has its bytes, whatever dies on the way.
 *
 * What was stored for a link that is not bound stays for the sweep: the key may be given out again in the
 * same moment, and a removal that came late would take away the bytes of its next image.
 * @throws Problem 422 it has expired meanwhile, 503
 */
export async function makeImage(wish: ImageWish, options: MakeImageOptions): Promise<MadeImage> {
  const drawn = await options.drawKey().catch((error: unknown) => {
    throw toProblem(error);
  });
  const { key } = drawn;
  const token = createDeleteToken();
  let facts: ImageFacts;
  let row: OwnedRow;
  let fate: Fate = 'unused';
  try {
    await storePicture(options.blobs, key, wish);
    requireLiving(wish);
    facts = toFacts(wish.picture, token);
    // Who reads lists from the newest link on would miss one that is older than it was there.
    const createdAt = new Date();
    row = { ...toUnbound(wish, facts), key, slot: slotOf(key), createdAt, requestId: options.ids.next() };
    fate = 'unresolved';
    fate = await bind(row, wish, options);
  } catch (error) {
    // Nobody has bound it then.
    if (error instanceof Problem || error instanceof StoreUnavailableError) fate = 'unused';
    throw error instanceof OutcomeUnknownError ? perhapsMade(error) : toProblem(error);
  } finally {
    drawn.settle(fate);
  }
  if (fate !== 'bound') throw new Problem('no-key');
  options.appeared(key);
  await confirm(key, wish, options);
  return { row, facts, deleteToken: token.text };
}

/** @throws like `bind`, and OutcomeUnknownError when it takes too long */
async function bind(
  row: OwnedRow,
  { deadline }: ImageWish,
  options: Pick<MakeImageOptions, 'bind'>,
): Promise<'bound' | 'duplicate'> {
  try {
    const outcome = await deadline.atLast('binding an image', async () => options.bind(row));
    return outcome === 'bound' ? 'bound' : 'duplicate';
  } catch (error) {
    if (error instanceof DeadlineError) throw new OutcomeUnknownError('a urls server', error.message, error);
    throw error;
  }
}

/**
 * Looks whether the bytes of a link that was bound are there. If not, the link goes: it would be in a list,
 * and show nothing.
 * @throws Problem 503 when they are not, or nobody can say so
 */
async function confirm(
  key: string,
  { picture, userId, deadline }: ImageWish,
  { blobs, own }: Pick<MakeImageOptions, 'blobs' | 'own'>,
): Promise<void> {
  let cause: unknown;
  try {
    const isThere = await deadline.atLast('the look at an image', async () =>
      whetherStored(blobs, key, picture.facts),
    );
    if (isThere) return;
  } catch (error) {
    cause = error;
    // Nobody could delete one that has no owner and whose token is not told.
    if (userId !== null) throw perhapsMade(error);
  }
  await deadline.atLast('the end of an image', async () => own.purge(key, () => true)).catch(() => undefined);
  throw blobsDown(cause);
}

/** @throws Problem 422 when it has expired while it was sent and stored */
export function requireLiving({ fields }: Pick<ImageWish, 'fields'>): void {
  const { expiration_date: expiresAt } = fields;
  if (expiresAt === undefined || expiresAt === null || expiresAt.getTime() > Date.now()) return;
  throw invalidFields([{ field: 'expiration_date', reason: 'is in the past, now that the image is there' }]);
}

/** @throws Problem 503 */
export async function storePicture(
  blobs: Pick<BlobStore, 'put'>,
  key: string,
  { picture: { facts, file }, deadline }: Pick<ImageWish, 'picture' | 'deadline'>,
): Promise<void> {
  const content = {
    bytes: file.bytes,
    read: () => file.stream(),
    file: file.isTaken ? undefined : file.path,
    syncFile: async () => file.sync(),
    onFileTaken: () => file.taken(),
  };
  try {
    await deadline.beforeBind('storing an image', async () =>
      blobs.put(blobNameOf(key, facts.sha256), content),
    );
  } catch (error) {
    throw error instanceof StoreUnavailableError || error instanceof DeadlineError ? blobsDown(error) : error;
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

export function blobsDown(cause?: unknown): Problem {
  return new Problem('store-down', {
    detail: 'The store of images cannot be reached just now.',
    cause,
  });
}

function perhapsMade(cause: unknown): Problem {
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
