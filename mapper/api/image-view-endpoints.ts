import { z } from 'zod';
import { PICTURE_TYPES } from '../../db/urls/image-facts.ts';
import { THUMBNAIL_SIZES } from '../pictures/decoder.ts';
import type { DeclaredContents } from './content.ts';
import { endpoint, type Endpoint } from './endpoint.ts';

const SIZES = THUMBNAIL_SIZES.map(String);

const types: DeclaredContents = Object.fromEntries(
  PICTURE_TYPES.map((type) => [`image/${type}`, { means: `the picture, if it is ${type.toUpperCase()}` }]),
);

export const IMAGE_VIEW_ENDPOINTS: readonly Endpoint[] = [
  endpoint({
    method: 'GET',
    path: '/images/{key}',
    name: 'showImage',
    group: 'Images',
    summary: 'The picture itself, or a thumbnail of it',
    description:
      'Behind the key there may be the extension of its type. A thumbnail is WebP, its longer side has `size` pixels at most, and it shows the first frame. The page with the picture is `GET /{key}`.',
    access: 'anyone',
    params: z.object({
      key: z.string().meta({ examples: ['QFXOHkP7.jpg'] }),
    }),
    query: z.strictObject({
      size: z.enum(SIZES).optional().meta({ description: 'pixels of the longer side' }),
    }),
    conditional: 'read',
    hasRanges: true,
    obeys: z.object({
      'If-Modified-Since': z.string().optional(),
      'If-Match': z.string().optional(),
      'If-Unmodified-Since': z.string().optional(),
    }),
    status: 200,
    answerTypes: types,
    means: 'The picture',
    problems: [
      'no-images',
      'unknown-key',
      'link-deleted',
      'link-expired',
      'link-disabled',
      'link-blocked',
      'changed-meanwhile',
      'range-beyond',
      'too-many-requests',
      'store-down',
      'overloaded',
    ],
    isServedElsewhere: true,
  }),
];
