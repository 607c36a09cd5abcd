import type { Variable } from './variable.ts';

/** The variables of images, without the prefix `KEYMILL_`. */
export const IMAGE_VARIABLES = {
  BLOBS: {
    meaning:
      'where the bytes of images are: file:/directory, s3://KEY:SECRET@host:port/bucket, or s3+https://… with TLS',
    tradeOff: 'a directory is on one machine, or must be shared by all mappers',
    default: 'none: there are no images; ./scripts/up uses a directory',
    secret: true,
  },
  ANONYMOUS_IMAGES: {
    meaning: 'true lets everybody post images, also without an API key',
    tradeOff: 'strangers fill the store',
    default: 'false',
  },
  IMAGE_MAX_AGE: {
    meaning: 'how long browsers and caches may keep an image, a day at most',
    tradeOff: 'it is the promise of a deletion: so long they may still show an image that was deleted',
    default: '300',
    unit: 's',
  },
  IMAGE_CACHE_BYTES: {
    meaning: 'memory of each process of a mapper for images that are asked for often',
    default: '33554432',
    unit: 'bytes',
  },
  FRONT_CACHES: {
    meaning:
      'caches in front of the mappers that are refreshed when an image goes: http://front-cache:8080,https://…',
    default: 'none',
  },
  FRONT_CACHE_TOKEN: {
    meaning:
      'token by which these caches know a refresh: 16 to 512 letters, digits, _ and - (openssl rand -hex 32)',
    default: 'none',
    secret: true,
  },
} as const satisfies Record<string, Variable>;
