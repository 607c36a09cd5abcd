import type { BlobsConfig } from '../../runtime/config/images.ts';
import type { BlobStore } from './blob-store.ts';
import { prepareDirectory } from './directory-layout.ts';
import { DirectoryStore } from './directory-store.ts';
import { DiskCalls } from './disk-calls.ts';
import { WatchedBlobStore, type WatchedStoreOptions } from './watched-store.ts';

export interface OpenStoreOptions extends WatchedStoreOptions {
  /** The calls of a directory, if others of this process use the same disk. */
  readonly disk?: DiskCalls | undefined;
}

/** Some services charge for what is written. */
const S3_WRITES_POLL_MS = 60_000;

/**
 * Opens the store of a configuration. It need not answer yet: until it does, calls are refused. The client of
 * S3 is loaded only for S3, because it takes 20 MB.
 */
export async function openBlobStore(
  config: BlobsConfig,
  { disk = new DiskCalls(), ...options }: OpenStoreOptions,
): Promise<WatchedBlobStore> {
  const writesPollMs = config.kind === 's3' ? S3_WRITES_POLL_MS : 0;
  return new WatchedBlobStore(await storeOf(config, disk), { writesPollMs, ...options });
}

/**
 * For `keymill prepare`: makes what a store needs before its first use, the directory with its marker or the
 * bucket. It changes nothing that is there. Mappers never do this, so that a disk that is not mounted, or a
 * bucket that was deleted, does not look like an empty store.
 * @throws StoreUnavailableError
 */
export async function prepareBlobStore(config: BlobsConfig): Promise<void> {
  if (config.kind === 'directory') return prepareDirectory(config.path, new DiskCalls());
  const { S3Store } = await import('./s3-store.ts');
  const store = new S3Store(config);
  try {
    await store.prepare();
  } finally {
    await store.close();
  }
}

/** What people are told about it: where it is, without keys. */
export function describeBlobStore(config: BlobsConfig): string {
  return config.kind === 'directory' ? config.path : `${config.endpoint}/${config.bucket}`;
}

async function storeOf(config: BlobsConfig, disk: DiskCalls): Promise<BlobStore> {
  if (config.kind === 's3') {
    const { S3Store } = await import('./s3-store.ts');
    return new S3Store(config);
  }
  const store = new DirectoryStore(config.path, disk);
  // What is left stays for the next time.
  store.removeLeftovers().catch(() => undefined);
  return store;
}
