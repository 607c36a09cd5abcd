export const PICTURE_TYPES = ['jpeg', 'png', 'gif', 'webp', 'avif'] as const;

/** The format of a picture; `image/…` is its content type. */
export type PictureType = (typeof PICTURE_TYPES)[number];

/** What makes a link an image: the bytes that it shows, in a blob named by its key and their hash. */
export interface ImageFacts {
  readonly type: PictureType;
  /** As it is shown: turned by its Orientation. */
  readonly width: number;
  readonly height: number;
  readonly bytes: number;
  /** Of the stored bytes, 64 hex digits. */
  readonly sha256: string;
  /** SHA-256 of the token with which anybody may delete it, 64 hex digits. */
  readonly deleteTokenHash: string;
  /** For `Last-Modified`: RFC 3339, UTC. Absent: that is not said. */
  readonly postedAt?: string;
}

const HASH = /^[0-9a-f]{64}$/;
const FIELDS = ['type', 'width', 'height', 'bytes', 'sha256', 'deleteTokenHash', 'postedAt'];

/** Whether a stored value is an image that this program can show. */
export function isImageFacts(value: unknown): value is ImageFacts {
  if (typeof value !== 'object' || value === null) return false;
  const facts = value as Partial<ImageFacts>;
  const { type, width, height, bytes, sha256, deleteTokenHash, postedAt } = facts;
  return (
    Object.keys(value).every((field) => FIELDS.includes(field)) &&
    PICTURE_TYPES.some((known) => known === type) &&
    [width, height, bytes].every((count) => Number.isSafeInteger(count) && Number(count) > 0) &&
    [sha256, deleteTokenHash].every((hash) => HASH.test(String(hash))) &&
    (postedAt === undefined || !Number.isNaN(Date.parse(postedAt)))
  );
}

/** In the place of the target of an image. Two images of the same bytes have the same one. */
export function imageTarget(sha256: string): string {
  return `image:${sha256}`;
}

/** All blobs of an image begin with this: the picture itself, and its thumbnails. */
export function blobPrefixOf(key: string): string {
  return `images/${key}/`;
}

/** The blob with the picture. One blob belongs to one link. */
export function blobNameOf(key: string, sha256: string): string {
  return `${blobPrefixOf(key)}${sha256}`;
}
