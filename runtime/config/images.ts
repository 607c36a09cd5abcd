import type { Env } from './env.ts';
import { splitList } from './stores.ts';

/** Where the bytes of images are. */
export type BlobsConfig =
  | { readonly kind: 'directory'; readonly path: string }
  | {
      readonly kind: 's3';
      /** `http://host:port` or `https://host:port`. */
      readonly endpoint: string;
      readonly bucket: string;
      readonly accessKey: string;
      readonly secret: string;
    };

export interface ImagesConfig {
  /** Whether everybody may post images. */
  readonly areAnonymousAllowed: boolean;
  /** How long browsers and caches may keep an image, in seconds: so long it is seen after its deletion. */
  readonly maxAgeS: number;
  /** Memory of one process for images that are asked for often. */
  readonly cacheBytes: number;
  /** Origins of caches in front of us, which are refreshed when an image goes. */
  readonly frontCaches: readonly string[];
  /** By this they know that a refresh comes from us. */
  readonly frontCacheToken?: string | undefined;
}

export const DEFAULT_IMAGES: ImagesConfig = {
  areAnonymousAllowed: false,
  maxAgeS: 300,
  cacheBytes: 32 * 2 ** 20,
  frontCaches: [],
};

export function readImages(env: Env): ImagesConfig {
  const { maxAgeS, cacheBytes } = DEFAULT_IMAGES;
  const frontCaches = splitList(env.find('FRONT_CACHES') ?? '');
  if (!frontCaches.every(isOrigin))
    env.fault('FRONT_CACHES', 'http or https origins of caches: http://front-cache:8080,https://…');
  const frontCacheToken = env.find('FRONT_CACHE_TOKEN');
  if (frontCacheToken !== undefined && !/^[A-Za-z0-9_-]{16,512}$/.test(frontCacheToken))
    env.fault('FRONT_CACHE_TOKEN', '16 to 512 letters, digits, _ and - (openssl rand -hex 32)');
  if (frontCaches.length > 0 && frontCacheToken === undefined)
    env.fault('FRONT_CACHE_TOKEN', 'a token, because KEYMILL_FRONT_CACHES is set');
  return {
    areAnonymousAllowed: env.boolean('ANONYMOUS_IMAGES', false),
    maxAgeS: env.integer('IMAGE_MAX_AGE', maxAgeS, 0, 86_400),
    cacheBytes: env.integer('IMAGE_CACHE_BYTES', cacheBytes, 0, 2 ** 40),
    frontCaches,
    frontCacheToken,
  };
}

const BLOBS_FORM =
  'file:/directory or s3://KEY:SECRET@host:port/bucket (s3+https:// with TLS), KEY and SECRET percent-encoded';

/** Undefined: there are no images. */
export function readBlobs(env: Env): BlobsConfig | undefined {
  // Who has no images need not make the file of the secret.
  const value = env.find('BLOBS', true);
  if (value === undefined || value === '') return undefined;
  const blobs = parseBlobs(value);
  if (blobs === undefined) env.fault('BLOBS', BLOBS_FORM);
  return blobs;
}

function parseBlobs(value: string): BlobsConfig | undefined {
  if (value.startsWith('file:')) {
    const path = value.slice('file:'.length);
    return /^\/[^\0]+$/.test(path) ? { kind: 'directory', path } : undefined;
  }
  const [, secure, rest = ''] = /^s3(\+https)?:\/\/(.+)$/.exec(value) ?? [];
  const url = URL.parse(`${secure === undefined ? 'http' : 'https'}://${rest}`);
  if (url === null || url.username === '' || url.password === '' || url.search + url.hash !== '')
    return undefined;
  const bucket = url.pathname.slice(1);
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket)) return undefined;
  const [accessKey, secret] = [decoded(url.username), decoded(url.password)];
  if (accessKey === undefined || secret === undefined) return undefined;
  return { kind: 's3', endpoint: url.origin, bucket, accessKey, secret };
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

function isOrigin(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && /^https?:$/.test(url.protocol) && (text === url.origin || text === `${url.origin}/`);
}
