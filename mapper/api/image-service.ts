import type { IncomingHttpHeaders } from 'node:http';
import type { Identity } from '../auth/identities.ts';
import { Places } from '../bulk/places.ts';
import type { BodyStream } from '../http/body-stream.ts';
import { Problem } from '../http/problem.ts';
import { requireOwnerFor, type ImageFields } from '../images/image-fields.ts';
import { makeImage, type MadeImage, type MakeImageOptions } from '../images/make-image.ts';
import { preparePicture, type PreparePictureOptions } from '../images/prepare-picture.ts';
import { receiveBytes, tooLarge } from '../images/receive-upload.ts';
import { MAX_PICTURE_BYTES } from '../pictures/picture.ts';

export interface ImageServiceOptions extends MakeImageOptions, PreparePictureOptions {
  /** Whether everybody may post images. */
  readonly areAnonymousAllowed: boolean;
  /** Origin of short URLs, without a slash at the end. */
  readonly publicUrl: string;
}

/** What is answered to who has posted a picture. */
export interface AnsweredImage {
  readonly unique_id: string;
  readonly image_url: string;
  readonly short_url: string;
  readonly delete_token?: string;
  readonly type: string;
  readonly width: number;
  readonly height: number;
  readonly bytes: number;
  readonly created_at: string;
  readonly expiration_date: string | null;
}

/** Uploads of this process at the same time: each has files, and a picture that is decoded. */
const UPLOADS = { all: 16, ofOwner: 8 };
/** Everybody who is not known is one owner. */
const NOBODY = -1n;

export interface PostedBody {
  readonly stream: BodyStream;
  readonly headers: IncomingHttpHeaders;
  readonly query: ImageFields;
}

/** Takes pictures that people post, and deletes them. */
export class ImageService {
  readonly #options: ImageServiceOptions;
  readonly #uploads = new Places(UPLOADS);

  constructor(options: ImageServiceOptions) {
    this.#options = options;
  }

  /** @throws Problem 401 nobody may post images without a key, 413, 415, 422, 503 */
  async post(
    identity: Identity | undefined,
    { stream, headers, query }: PostedBody,
  ): Promise<{ readonly body: AnsweredImage; readonly isNew: boolean }> {
    const { areAnonymousAllowed, publicUrl } = this.#options;
    if (identity === undefined && !areAnonymousAllowed) throw new Problem('unauthenticated');
    const userId = identity?.userId ?? null;
    requireOwnerFor(query, userId);
    if (Number(headers['content-length'] ?? 0) > MAX_PICTURE_BYTES) throw tooLarge();
    const release = this.#uploads.take(userId ?? NOBODY);
    try {
      await using stack = new AsyncDisposableStack();
      const posted = await receiveBytes(stream.pieces, stack, this.#options.spool);
      const picture = await preparePicture(posted, stack, this.#options);
      const made = await makeImage({ picture, fields: query, userId }, this.#options);
      return { body: toAnswer(made, publicUrl), isNew: made.deleteToken !== undefined };
    } finally {
      release();
    }
  }
}

function toAnswer({ row, facts, deleteToken }: MadeImage, publicUrl: string): AnsweredImage {
  return {
    unique_id: row.key,
    image_url: `${publicUrl}/images/${row.key}`,
    short_url: `${publicUrl}/${row.key}`,
    ...(deleteToken !== undefined && { delete_token: deleteToken }),
    type: `image/${facts.type}`,
    width: facts.width,
    height: facts.height,
    bytes: facts.bytes,
    created_at: row.createdAt.toISOString(),
    expiration_date: row.expiresAt?.toISOString() ?? null,
  };
}
