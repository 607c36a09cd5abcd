import type { BlobStore } from '../../db/blobs/blob-store.ts';
import { imageTarget } from '../../db/urls/image-facts.ts';
import { DeadlineError } from '../../runtime/errors.ts';
import { Problem } from '../http/problem.ts';
import type { Caller } from '../links/access.ts';
import type { OwnLinks } from '../links/own-links.ts';
import { dedupeIdentity } from '../reservations/reservation-hash.ts';
import type { Reservations } from '../reservations/reservations.ts';
import { toProblem } from '../shorten/shorten-problems.ts';
import { createDeleteToken } from './delete-token.ts';
import {
  blobsDown,
  requireLiving,
  storePicture,
  toFacts,
  toUnbound,
  whetherStored,
  type ImageWish,
  type MadeImage,
} from './make-image.ts';
import { UNBOUND_MS } from './sweep.ts';

export interface FindImageOptions {
  readonly blobs: Pick<BlobStore, 'put' | 'stat'>;
  readonly own: Pick<OwnLinks, 'findImage' | 'find'>;
  readonly reservations: Pick<Reservations, 'make'>;
}

/** The reservation names the key, so nobody else's link is read. */
const ANYBODY: Caller = { userId: -1n, isAdmin: true };
/** The sweep takes bytes that are not bound for longer than a day, so nobody binds their key long before. */
const BINDABLE_MS = UNBOUND_MS / 2;

/**
 * The image of the same bytes and owner that there is, or else a new one, however many ask at the same time.
 * Those who are not known are one owner, and find what one of them has posted with the same wish.
 *
 * The process that binds a reserved link may be another one than the one that has reserved it, and each has a
 * token of its own. So the row decides whose token it is; all others have found the image.
 * @throws Problem 503
 */
export async function findOrMakeImage(wish: ImageWish, options: FindImageOptions): Promise<MadeImage> {
  try {
    return (await findOwn(wish, options)) ?? (await reserve(wish, options));
  } catch (error) {
    throw error instanceof DeadlineError ? blobsDown(error) : toProblem(error);
  }
}

async function findOwn(wish: ImageWish, { own, blobs }: FindImageOptions): Promise<MadeImage | undefined> {
  const { picture, fields, userId } = wish;
  if (userId === null) return undefined;
  const longUrl = imageTarget(picture.facts.sha256);
  const found = await own.findImage({ userId, longUrl, expiresAt: fields.expiration_date ?? null });
  const facts = found?.rules.image;
  if (found === undefined || facts === undefined) return undefined;
  await restorePicture(blobs, found.key, wish);
  return { row: found, facts, deleteToken: undefined };
}

async function reserve(wish: ImageWish, options: FindImageOptions): Promise<MadeImage> {
  const { blobs, own, reservations } = options;
  const { picture, fields, userId, deadline } = wish;
  const token = createDeleteToken();
  const link = toUnbound(wish, toFacts(picture, token));
  const expiresAt = fields.expiration_date ?? null;
  const compared = { expiration_date: expiresAt?.toISOString() ?? null };
  const outcome = await reservations.make({
    ...dedupeIdentity(userId, compared, link.longUrl),
    kind: 'dedupe',
    keeping: { until: expiresAt },
    alias: undefined,
    link,
    linkToBind: async (key) => {
      await storePicture(blobs, key, wish);
      requireLiving(wish);
      return link;
    },
    bindableMs: BINDABLE_MS,
    judgeAsFirst: () => undefined,
    timeoutMs: deadline.leftMs,
  });
  if (outcome.answer !== 'made') throw new Problem('no-key');
  const { key } = outcome.row;
  const row = await deadline.atLast('the look at an image', async () => own.find(ANYBODY, key));
  const facts = row?.rules.image;
  // It was deleted in this moment.
  if (row === undefined || facts === undefined || row.deletedAt !== null) throw new Problem('no-key');
  const isOurs = facts.deleteTokenHash === token.hash;
  await restorePicture(blobs, key, wish);
  return { row, facts, deleteToken: isOurs ? token.text : undefined };
}

/**
 * Who has made or found an image counts on its bytes. If a store has lost them, here they are again.
 * @throws Problem 503, DeadlineError: the same request again finds the image
 */
async function restorePicture(
  blobs: Pick<BlobStore, 'put' | 'stat'>,
  key: string,
  { picture, deadline }: ImageWish,
): Promise<void> {
  await deadline.atLast('the look at an image', async () => {
    if (!(await whetherStored(blobs, key, picture.facts)))
      await storePicture(blobs, key, { picture, deadline });
  });
}
