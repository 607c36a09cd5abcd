import { z } from 'zod';
import { Problem } from '../http/problem.ts';
import { faultsOfOwner, imageFields } from '../images/image-fields.ts';
import type { DeclaredContents } from './content.ts';
import { endpoint, type Endpoint, type Services } from './endpoint.ts';
import { time } from './fields.ts';
import { lagHeader } from './link-answers.ts';
import { FORM, type ImageService } from './image-service.ts';

const PICTURE = { means: 'the bytes of the picture' };

const bodies = {
  [FORM]: {
    means: 'a form with the field `image`, a file, and perhaps the fields that are parameters otherwise',
  },
  'image/jpeg': PICTURE,
  'image/png': PICTURE,
  'image/gif': PICTURE,
  'image/webp': PICTURE,
  'image/avif': PICTURE,
  'application/octet-stream': PICTURE,
} satisfies DeclaredContents;

const imageAnswer = z
  .object({
    unique_id: z.string(),
    image_url: z.string().meta({ format: 'uri', description: 'the picture itself' }),
    short_url: z.string().meta({ format: 'uri', description: 'a page that shows it' }),
    delete_token: z
      .string()
      .optional()
      .meta({ description: 'with which anybody may delete it; shown only now' }),
    type: z.string().meta({ description: 'of its content: image/jpeg, png, gif, webp or avif' }),
    width: z.int().meta({ description: 'in pixels, as it is shown' }),
    height: z.int(),
    bytes: z.int(),
    created_at: time,
    expiration_date: time.nullable(),
  })
  .meta({ id: 'Image' });

const imageKey = z.object({
  key: z.string().meta({ examples: ['QFXOHkP7'] }),
});

/** How long a picture may take to be sent. */
const MAX_UPLOAD_MS = 300_000;

/** @throws Problem 404 */
function imagesOf({ images }: Services): ImageService {
  if (images === undefined) throw new Problem('no-images');
  return images;
}

export const IMAGE_ENDPOINTS: readonly Endpoint[] = [
  endpoint({
    method: 'POST',
    path: '/images',
    name: 'postImage',
    group: 'Images',
    summary: 'Post a picture, and get a link to it',
    description:
      'JPEG, PNG, GIF, WebP or AVIF, of 20 MiB and 100 megapixels over all frames at most: its content says which, not its name or type. Metadata are left out, such as the place where a photo was taken; nothing else changes. A form of `multipart/form-data` has the picture in its field `image`, and may have the parameters as fields. The image is a link like any other, which is listed, changed and counted as links are. Without a key or session it has no owner, if this service takes such images at all.',
    access: { optional: 'links:create' },
    limit: 'anonymous',
    query: imageFields,
    faultsOf: (_, { identity, query }) => faultsOfOwner(Object(query) as object, identity?.userId ?? null),
    bodyTypes: bodies,
    maxBodyMs: MAX_UPLOAD_MS,
    finds:
      'With `find_if_exists`: your image of the same bytes and `expiration_date` that there is, without `delete_token`',
    status: 201,
    answer: imageAnswer,
    exampleAnswer: {
      unique_id: 'QFXOHkP7',
      image_url: 'https://go.example/images/QFXOHkP7',
      short_url: 'https://go.example/QFXOHkP7',
      delete_token: 'pSy8nb2s0pXSk0p3kq1Wk3rW9qYt0hJmZ1x4cV7bN2M',
      type: 'image/png',
      width: 640,
      height: 480,
      bytes: 81_920,
      created_at: '2026-11-28T02:37:42.402Z',
      expiration_date: null,
    },
    means: 'The image, with its URL also as `Location`',
    problems: [
      'no-images',
      'unauthenticated',
      'malformed-form',
      'incomplete',
      'too-slow',
      'too-large',
      'not-an-image',
      'damaged-image',
      'too-many-pixels',
      'no-keys',
      'no-key',
      'store-down',
      'overloaded',
    ],
    handle: async (services, { identity, query, stream, headers, addressOf }) => {
      const posted = { stream, headers, query, client: addressOf() };
      const { body, isNew } = await imagesOf(services).post(identity, posted);
      return { body, isFound: !isNew, headers: { Location: body.image_url } };
    },
  }),
  endpoint({
    method: 'DELETE',
    path: '/images/{key}',
    name: 'deleteImage',
    group: 'Images',
    summary: 'Delete an image for good',
    description:
      'Behind the key there may be the extension of its type. As its owner, or with the token that came with it as `X-Delete-Token`. It cannot be restored; `DELETE /urls/{key}` deletes its link so that it can. A wrong token, or the image of another, is answered like one that does not exist. When it is answered, all mappers answer 410; browsers and caches may keep the picture for the time that its `Cache-Control` says. `X-Others-May-Lag`: as for links.',
    access: { optional: 'links:write' },
    limit: 'anonymous',
    params: imageKey,
    obeys: z.object({
      'X-Delete-Token': z
        .string()
        .optional()
        .meta({ description: 'the `delete_token` that came with the image' }),
    }),
    status: 204,
    means: 'The image is deleted',
    problems: ['no-images', 'unauthenticated', 'unknown-key', 'store-down'],
    handle: async (services, { identity, params, headers }) => {
      const token = headers['x-delete-token'];
      const name = params.key;
      const lagMs = await imagesOf(services).remove(
        identity,
        name,
        token === undefined ? token : String(token),
      );
      return { body: undefined, ...lagHeader(lagMs) };
    },
  }),
];
