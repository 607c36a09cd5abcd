import type { IncomingHttpHeaders } from 'node:http';
import { monotonicMs } from '../../runtime/clock.ts';
import type { Identity } from '../auth/identities.ts';
import { callerOf } from './link-service.ts';
import { ask, unknownLink } from './link-problems.ts';
import { Places } from '../bulk/places.ts';
import type { BodyStream } from '../http/body-stream.ts';
import { invalidFields, Problem } from '../http/problem.ts';
import { parseImageFields, requireOwnerFor, type ImageFields } from '../images/image-fields.ts';
import { deleteImage, type DeleteImageOptions } from '../images/delete-image.ts';
import { findOrMakeImage, type FindImageOptions } from '../images/find-image.ts';
import { makeImage, type MadeImage, type MakeImageOptions } from '../images/make-image.ts';
import { preparePicture, type PreparePictureOptions } from '../images/prepare-picture.ts';
import { MAX_FORM_BYTES, receiveForm } from '../images/receive-form.ts';
import { receiveBody, tooLarge } from '../images/receive-upload.ts';
import type { SpoolFile } from '../images/spool-file.ts';
import { UploadDeadline } from '../images/upload-deadline.ts';
import type { OwnLinks } from '../links/own-links.ts';
import { resultOf } from '../shorten/shorten-answer.ts';
import { MAX_PICTURE_BYTES } from '../pictures/picture.ts';

export interface ImageServiceOptions
  extends MakeImageOptions, PreparePictureOptions, FindImageOptions, DeleteImageOptions {
  readonly own: Pick<OwnLinks, 'find' | 'findImage' | 'purge'>;
  /** Whether everybody may post images. */
  readonly areAnonymousAllowed: boolean;
  /** Origin of short URLs, without a slash at the end. */
  readonly publicUrl: string;
  /** A picture was posted: what came of it, how many bytes were kept, and how long it took. */
  readonly onPosted: (posted: PostedImage) => void;
}

export interface PostedImage {
  readonly result: string;
  /** 0: nothing was kept. */
  readonly bytes: number;
  readonly seconds: number;
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

/** The type of a body with a form. */
export const FORM = 'multipart/form-data';

/**
 * Uploads of this process at the same time: each has files, and a picture that is decoded. One may be sent
 * for minutes, so nobody gets many of them.
 */
const UPLOADS = { all: 16, ofOwner: 4, isShared: true };

export interface PostedBody {
  /** The address from which it comes. For who is not known, it stands for an owner. */
  readonly client: string | undefined;
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
    posted: PostedBody,
  ): Promise<{ readonly body: AnsweredImage; readonly isNew: boolean }> {
    const { onPosted, publicUrl } = this.#options;
    const startedMs = monotonicMs();
    const seconds = (): number => (monotonicMs() - startedMs) / 1_000;
    try {
      const made = await this.#take(identity, posted);
      const isNew = made.deleteToken !== undefined;
      const bytes = isNew ? made.facts.bytes : 0;
      onPosted({ result: isNew ? 'created' : 'found', bytes, seconds: seconds() });
      return { body: toAnswer(made, publicUrl), isNew };
    } catch (error) {
      onPosted({ result: resultOfFailure(error), bytes: 0, seconds: seconds() });
      throw error;
    }
  }

  /**
   * Deletes an image for good.
   * @param name in the path
   * @param token of the image, from its header
   * @returns milliseconds for which some mappers may still show it
   * @throws Problem 401 neither of them, 404 also for an image that this one may not delete, 503
   */
  async remove(identity: Identity | undefined, name: string, token: string | undefined): Promise<number> {
    if (identity === undefined && token === undefined) throw new Problem('unauthenticated');
    const caller = identity && callerOf(identity);
    const announced = await ask(async () => deleteImage(name, { caller, token }, this.#options));
    if (announced === undefined) throw unknownLink();
    return announced.othersMayLagMs;
  }

  async #take(identity: Identity | undefined, posted: PostedBody): Promise<MadeImage> {
    const { stream, headers, query, client } = posted;
    const { areAnonymousAllowed } = this.#options;
    if (identity === undefined && !areAnonymousAllowed) throw new Problem('unauthenticated');
    const userId = identity?.userId ?? null;
    requireOwnerFor(query, userId);
    const maxBytes = stream.type === FORM ? MAX_FORM_BYTES : MAX_PICTURE_BYTES;
    if (Number(headers['content-length'] ?? 0) > maxBytes) throw tooLarge();
    const sender = userId ?? `anonymous at ${client ?? 'any address'}`;
    const release = this.#uploads.take(sender);
    try {
      await using stack = new AsyncDisposableStack();
      const { file, fields } = await this.#receive(posted, userId, stack);
      const deadline = new UploadDeadline();
      const preparing = { stack, deadline, sender };
      const picture = await preparePicture(file, preparing, this.#options);
      const wish = { picture, fields, userId, deadline };
      if (fields.find_if_exists === true) return await findOrMakeImage(wish, this.#options);
      return await makeImage(wish, this.#options);
    } finally {
      release();
    }
  }

  async #receive(
    { stream, headers, query }: PostedBody,
    userId: bigint | null,
    stack: AsyncDisposableStack,
  ): Promise<{ readonly file: SpoolFile; readonly fields: ImageFields }> {
    const { spool } = this.#options;
    const { type, pieces } = stream;
    if (type !== FORM) return { file: await receiveBody(stream, stack, spool), fields: query };
    const [parameter] = Object.keys(query);
    if (parameter !== undefined) throw invalidFields([{ field: parameter, reason: 'belongs into the form' }]);
    const form = await receiveForm({ contentType: headers['content-type'] ?? '', pieces }, stack, spool);
    return { file: form.file, fields: parseImageFields(form.fields, userId) };
  }
}

function resultOfFailure(error: unknown): string {
  const hasLeft = error instanceof Problem && (error.code === 'incomplete' || error.code === 'too-slow');
  return hasLeft ? 'broken_off' : resultOf(error);
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
