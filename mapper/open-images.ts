import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SPOOL } from '../db/blobs/directory-layout.ts';
import { DiskCalls } from '../db/blobs/disk-calls.ts';
import { openBlobStore } from '../db/blobs/open-blob-store.ts';
import type { BlobObserver } from '../db/blobs/watched-store.ts';
import type { LeavingLink } from '../db/own-links/leave-owner.ts';
import type { OwnLink } from '../db/own-links/own-link.ts';
import type { MapperConfig } from '../runtime/config/config.ts';
import { DEFAULT_IMAGES, type BlobsConfig } from '../runtime/config/images.ts';
import type { Log } from '../runtime/log.ts';
import type { Metrics } from '../runtime/metrics.ts';
import { RandomIds } from '../runtime/random-ids.ts';
import { ImageService, type ImageServiceOptions } from './api/image-service.ts';
import type { MapperCaches } from './caches.ts';
import { Spool, type SpoolOptions } from './images/spool.ts';
import { BlobRemovals } from './images/remove-blobs.ts';
import { FrontCaches } from './images/front-caches.ts';
import { isShown, refreshIfHidden } from './images/hidden-images.ts';
import { openSweep } from './images/open-sweep.ts';
import { recordingPut } from './images/store-owner.ts';
import type { SweepCounts } from './images/sweep-job.ts';
import { watchBlobs } from './gauges.ts';
import type { MapperMetrics } from './metrics.ts';
import type { Decoder } from './pictures/decoder.ts';
import { DecoderProcess } from './pictures/decoder-process.ts';
import { readPicture } from './pictures/read-picture.ts';
import { drawKey } from './reservations/open-reservations.ts';
import type { Service } from './service.ts';
import { openViews, type OpenViews } from './open-views.ts';
import type { HealthOfBlobs, MapperStores } from './stores.ts';

export interface OpenImagesOptions {
  readonly config: MapperConfig;
  readonly service: Pick<Service, 'supply' | 'shortener' | 'finder' | 'ownLinks' | 'reservations'>;
  readonly stores: MapperStores;
  readonly caches: MapperCaches;
  /** Origin of short links, without a slash at the end. */
  readonly publicUrl: string;
  readonly registry: Metrics;
  readonly metrics: MapperMetrics;
  /** Instead of a process of its own. It is closed with the images. */
  readonly decoder?: Decoder | undefined;
  readonly log: Log;
}

/** How long the start waits for a store that does not answer. It is used as soon as it does. */
const FIRST_LOOK_MS = 500;

/** The images of a mapper. */
export interface MapperImages extends AsyncDisposable {
  readonly service: ImageService;
  readonly store: HealthOfBlobs;
  /** What people see of them. */
  readonly views: OpenViews;
  /** Called when all mappers have heard of a change of a link, whether it is an image or not. */
  linkChanged(link: OwnLink): void;
  /** The same for a link that was deleted with the account of its owner. */
  linkDeleted(link: LeavingLink): void;
}

/**
 * Opens the store of images, the decoder and the spool.
 * @returns undefined: there are no images
 */
export async function openImages(options: OpenImagesOptions): Promise<MapperImages | undefined> {
  const { config, service, stores, caches, publicUrl, registry, metrics, log } = options;
  const { blobs: at, images = DEFAULT_IMAGES } = config;
  if (at === undefined) return undefined;
  await using stack = new AsyncDisposableStack();
  // Both together must leave threads to all others when their disk hangs.
  const disk = new DiskCalls();
  const blobs = await openBlobStore(at, { log, observer: observeBlobs(metrics), disk });
  stack.defer(async () => blobs.close());
  watchBlobs(registry, blobs);
  await blobs.whenLooked(FIRST_LOOK_MS);
  const decoder = options.decoder ?? new DecoderProcess(log);
  stack.defer(() => decoder.close());
  const frontCaches = stack.use(
    new FrontCaches({
      origins: images.frontCaches,
      token: images.frontCacheToken ?? '',
      maxAgeS: images.maxAgeS,
      isShown: async (key) => isShown((await service.finder.find(key)).entry, Date.now()),
      onOutcome: (outcome) => metrics.imageRefreshes.inc({ result: outcome }),
      log,
    }),
  );
  const spool = stack.use(await Spool.open({ ...spoolFolderOf(at), disk, log }));
  const { supply, shortener } = service;
  const imageService = new ImageService({
    blobs: { put: recordingPut(blobs, stores.keyspace), stat: async (name) => blobs.stat(name) },
    spool,
    read: readPicture,
    decoder,
    own: service.ownLinks,
    reservations: service.reservations,
    removals: stack.use(new BlobRemovals({ blobs, log })),
    frontCaches,
    drawKey: async () => drawKey(supply, stores.servers),
    bind: async (row) => shortener.bindReserved(row),
    appeared: (key) => caches.links.appeared(key),
    ids: RandomIds.hex(),
    areAnonymousAllowed: images.areAnonymousAllowed,
    publicUrl,
    onPosted: countUploads(metrics),
  });
  stack.use(
    openSweep({
      id: config.id,
      stores: config.stores,
      keyspace: stores.keyspace,
      store: blobs,
      isWritable: (slot) => stores.servers.at(slot).isWritable,
      counts: countSweeps(registry, metrics),
      pollMs: config.jobs.pollMs,
      log,
    }),
  );
  const resources = stack.move();
  return {
    linkChanged: (link) => refreshIfHidden(link, frontCaches),
    linkDeleted: ({ key, imageType }) => {
      if (imageType !== undefined) frontCaches.refresh(key, imageType);
    },
    service: imageService,
    store: blobs,
    views: openViews({ ...options, store: blobs, decoder, images }),
    [Symbol.asyncDispose]: async () => resources.disposeAsync(),
  };
}

function countUploads({
  imageUploads,
  imageUploadBytes,
  imageUploadSeconds,
}: MapperMetrics): ImageServiceOptions['onPosted'] {
  return ({ result, bytes, seconds }) => {
    imageUploads.series({ result }).count += 1;
    imageUploadBytes.series({}).count += bytes;
    imageUploadSeconds.observe(seconds);
  };
}

function countSweeps(registry: Metrics, { blobsSwept, blobsSweptBytes }: MapperMetrics): SweepCounts {
  const ends = { whole: 0, partly: 0 };
  registry.gauge(
    'sweep_ended_timestamp_seconds',
    'When this mapper last came to the end of the store of images: whole, or with something left',
    ['result'],
    (gauge) => {
      for (const [result, at] of Object.entries(ends)) gauge.set({ result }, at);
    },
    'max',
  );
  return {
    swept: (why, bytes) => {
      blobsSwept.inc({ reason: why });
      blobsSweptBytes.inc({}, bytes);
    },
    ended: (isWhole) => {
      ends[isWhole ? 'whole' : 'partly'] = Date.now() / 1_000;
    },
  };
}

/** On the file system of a directory, which then takes the files as they are. */
function spoolFolderOf(at: BlobsConfig): Pick<SpoolOptions, 'parent' | 'isAmongOthers'> {
  if (at.kind === 'directory') return { parent: join(at.path, SPOOL, 'uploads') };
  return { parent: join(tmpdir(), `.keymill-uploads-${process.getuid?.() ?? 0}`), isAmongOthers: true };
}

function observeBlobs({ blobOperations, blobSeconds }: MapperMetrics): BlobObserver {
  return {
    onOperation: (operation, hasFailed, seconds) => {
      blobOperations.series({ operation, result: hasFailed ? 'failed' : 'done' }).count += 1;
      if (!hasFailed) blobSeconds.observe(seconds);
    },
  };
}
