import type { BlobStore } from '../db/blobs/blob-store.ts';
import { monotonicMs } from '../runtime/clock.ts';
import type { ImagesConfig } from '../runtime/config/images.ts';
import type { Log } from '../runtime/log.ts';
import type { Metrics } from '../runtime/metrics.ts';
import type { ImagePages } from './following/follow.ts';
import { watchPictures } from './gauges.ts';
import type { MapperMetrics } from './metrics.ts';
import type { Decoder } from './pictures/decoder.ts';
import type { Service } from './service.ts';
import { imagePathOf } from './views/image-name.ts';
import { imagePage } from './views/image-page.ts';
import type { ImageViews } from './views/image-route.ts';
import { PictureMemory } from './views/picture-memory.ts';
import { Pictures } from './views/pictures.ts';
import { Thumbnails } from './views/thumbnails.ts';
import { Titles } from './views/titles.ts';

export interface OpenViewsOptions {
  readonly store: BlobStore;
  readonly decoder: Pick<Decoder, 'thumbnail'>;
  readonly images: ImagesConfig;
  readonly service: Pick<Service, 'finder' | 'ownLinks'>;
  /** Origin of short links, without a slash at the end. */
  readonly publicUrl: string;
  readonly registry: Metrics;
  readonly metrics: Pick<MapperMetrics, 'thumbnailsMade'>;
  readonly log: Log;
}

/** What people see of images: their bytes, and the page with the picture. */
export interface OpenViews extends ImageViews {
  readonly pages: ImagePages;
}

/** Titles are for everybody who may see the picture. */
const ANYBODY = { userId: 0n, isAdmin: true };

export function openViews(options: OpenViewsOptions): OpenViews {
  const { store, decoder, images, service, registry, metrics, log } = options;
  const memory = new PictureMemory(images.cacheBytes);
  const pictures = new Pictures({ store, memory, now: monotonicMs });
  watchPictures(registry, memory);
  return {
    pictures,
    thumbnails: new Thumbnails({
      store,
      decoder,
      pictures,
      memory,
      isThere: async (key) => {
        const { entry } = await service.finder.find(key);
        return entry !== 'unknown' && entry.longUrl !== undefined;
      },
      onMade: () => metrics.thumbnailsMade.inc(),
      now: monotonicMs,
      log,
    }),
    maxAgeS: images.maxAgeS,
    pages: createPages(options),
  };
}

function createPages({ service, publicUrl }: OpenViewsOptions): ImagePages {
  const titles = new Titles({
    read: async (key) => (await service.ownLinks.find(ANYBODY, key))?.title ?? null,
  });
  return {
    urlOf: (key) => `${publicUrl}${imagePathOf(key)}`,
    page: async ({ key, link }, image) =>
      imagePage({
        image,
        title: await titles.find(key, link.state),
        shortUrl: `${publicUrl}/${key}`,
        path: imagePathOf(key),
        imageUrl: `${publicUrl}${imagePathOf(key)}`,
        isHidden: link.rules?.noindex === true,
      }),
  };
}
