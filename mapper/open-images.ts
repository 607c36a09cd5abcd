import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MapperConfig } from '../runtime/config/config.ts';
import { DEFAULT_IMAGES } from '../runtime/config/images.ts';
import type { Log } from '../runtime/log.ts';
import type { Metrics } from '../runtime/metrics.ts';
import { RandomIds } from '../runtime/random-ids.ts';
import { ImageService } from './api/image-service.ts';
import type { MapperCaches } from './caches.ts';
import { Spool } from './images/spool.ts';
import { openSeamStore, seamDecoder, seamReadPicture } from './images/seam.ts';
import type { MapperMetrics } from './metrics.ts';
import { drawKey } from './reservations/open-reservations.ts';
import type { Service } from './service.ts';
import type { MapperStores } from './stores.ts';
import { openViews, type OpenViews } from './open-views.ts';

export interface OpenImagesOptions {
  readonly config: MapperConfig;
  readonly service: Pick<Service, 'supply' | 'shortener' | 'finder' | 'ownLinks' | 'reservations'>;
  readonly stores: MapperStores;
  readonly caches: MapperCaches;
  /** Origin of short links, without a slash at the end. */
  readonly publicUrl: string;
  readonly registry: Metrics;
  readonly metrics: MapperMetrics;
  readonly log: Log;
}

/** The images of a mapper. */
export interface MapperImages extends AsyncDisposable {
  readonly service: ImageService;
  /** What people see of them. */
  readonly views: OpenViews;
}

/**
 * Opens the store of images, the decoder and the spool.
 * @returns undefined: there are no images
 */
export async function openImages(options: OpenImagesOptions): Promise<MapperImages | undefined> {
  const { config, service, stores, caches, publicUrl } = options;
  const { blobs: at, images = DEFAULT_IMAGES } = config;
  if (at === undefined) return undefined;
  await using stack = new AsyncDisposableStack();
  const blobs = openSeamStore(at.kind === 'directory' ? at.path : tmpdir());
  stack.defer(async () => blobs.close());
  const spool = stack.use(await Spool.open(join(tmpdir(), 'keymill-spool')));
  const { supply, shortener } = service;
  const imageService = new ImageService({
    blobs,
    spool,
    read: seamReadPicture,
    decoder: seamDecoder,
    drawKey: async () => drawKey(supply, stores.servers),
    bind: async (row) => shortener.bindReserved(row),
    appeared: (key) => caches.links.appeared(key),
    ids: RandomIds.hex(),
    areAnonymousAllowed: images.areAnonymousAllowed,
    publicUrl,
  });
  const resources = stack.move();
  return {
    service: imageService,
    views: openViews({ ...options, store: blobs, decoder: seamDecoder, images }),
    [Symbol.asyncDispose]: async () => resources.disposeAsync(),
  };
}
