import { z } from 'zod';
import { Problem } from '../http/problem.ts';
import { imageFields } from '../images/image-fields.ts';
import type { DeclaredContents } from './content.ts';
import { endpoint, type Endpoint, type Services } from './endpoint.ts';
import { time } from './fields.ts';
import type { ImageService } from './image-service.ts';

const PICTURE = { means: 'the bytes of the picture' };

const bodies = {
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
    access: { optional: 'links:create' },
    limit: 'anonymous',
    query: imageFields,
    bodyTypes: bodies,
    maxBodyMs: MAX_UPLOAD_MS,
    status: 201,
    answer: imageAnswer,
    means: 'The image, with its URL also as `Location`',
    problems: [
      'no-images',
      'unauthenticated',
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
    handle: async (services, { identity, query, stream, headers }) => {
      const { body } = await imagesOf(services).post(identity, { stream, headers, query });
      return { body, headers: { Location: body.image_url } };
    },
  }),
];
