import type { BlobStore } from '../../db/blobs/blob-store.ts';
import { imageTarget } from '../../db/urls/image-facts.ts';
import { Problem } from '../http/problem.ts';
import type { Caller } from '../links/access.ts';
import type { OwnLinks } from '../links/own-links.ts';
import { dedupeIdentity } from '../reservations/reservation-hash.ts';
import type { Reservations } from '../reservations/reservations.ts';
import { toProblem } from '../shorten/shorten-problems.ts';
import { createDeleteToken } from './delete-token.ts';
import {
  requireStored,
  storePicture,
  toFacts,
  toUnbound,
  whetherStored,
  type ImageWish,
  type MadeImage,
} from './make-image.ts';

export interface FindImageOptions {
  readonly blobs: Pick<BlobStore, 'put' | 'stat'>;
  readonly own: Pick<OwnLinks, 'findImage' | 'find'>;
  readonly reservations: Pick<Reservations, 'make'>;
}

/** The reservation names the key, so nobody else's link is read. */
const ANYBODY: Caller = { userId: -1n, isAdmin: true };
/** For a reservation and the bytes, which may be many and their store slow. */
const MAKE_MS = 30_000;

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
    throw toProblem(error);
  }
}

async function findOwn(
  { picture, fields, userId }: ImageWish,
  { own, blobs }: FindImageOptions,
): Promise<MadeImage | undefined> {
  if (userId === null) return undefined;
  const longUrl = imageTarget(picture.facts.sha256);
  const found = await own.findImage({ userId, longUrl, expiresAt: fields.expiration_date ?? null });
  const facts = found?.rules.image;
  if (found === undefined || facts === undefined) return undefined;
  await restorePicture(blobs, found.key, picture);
  return { row: found, facts, deleteToken: undefined };
}

async function reserve(wish: ImageWish, options: FindImageOptions): Promise<MadeImage> {
  const { blobs, own, reservations } = options;
  const { picture, fields, userId } = wish;
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
      await storePicture(blobs, key, picture);
      return link;
    },
    judgeAsFirst: () => undefined,
    timeoutMs: MAKE_MS,
  });
  if (outcome.answer !== 'made') throw new Problem('no-key');
  const row = await own.find(ANYBODY, outcome.row.key);
  const facts = row?.rules.image;
  // It was deleted in this moment.
  if (row === undefined || facts === undefined || row.deletedAt !== null) throw new Problem('no-key');
  const isOurs = facts.deleteTokenHash === token.hash;
  if (isOurs) await requireStored(blobs, row.key, facts);
  else await restorePicture(blobs, row.key, picture);
  return { row, facts, deleteToken: isOurs ? token.text : undefined };
}

/** Who has found an image counts on its bytes. If a store has lost them, here they are again. */
async function restorePicture(
  blobs: Pick<BlobStore, 'put' | 'stat'>,
  key: string,
  picture: ImageWish['picture'],
): Promise<void> {
  if (!(await whetherStored(blobs, key, picture.facts))) await storePicture(blobs, key, picture);
}
