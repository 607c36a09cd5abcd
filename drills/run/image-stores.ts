import { randomBytes } from 'node:crypto';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { prepareBlobStore } from '../../db/blobs/open-blob-store.ts';
import type { BlobsConfig } from '../../runtime/config/images.ts';
import { startRadosgw, type RunningRadosgw } from '../../scripts/servers/radosgw.ts';
import { FaultyProxy } from '../proxy/proxy.ts';
import type { DrillRun } from './drill-run.ts';

/** Kinds of stores of images. Drills run on both. */
export const STORE_KINDS = ['directory', 's3'] as const;
export type StoreKind = (typeof STORE_KINDS)[number];

/** A store of images that only one round of one drill uses, so that it can be broken and swept. */
export interface DrillStore {
  readonly kind: StoreKind;
  /** KEYMILL_BLOBS of mappers: an S3 server is behind a proxy. */
  readonly blobs: string;
  /** Past the proxy. */
  readonly direct: BlobsConfig;
  /** Only of an S3 server. */
  readonly proxy?: FaultyProxy;
  /** Makes the store vanish. @returns brings it back */
  vanish(): Promise<() => Promise<void>>;
}

/** Starts an empty store. `undo('store')` removes it. */
export async function startStore(run: DrillRun, kind: StoreKind): Promise<DrillStore> {
  const folder = join(run.cluster.runDir.path, 'drills', `blobs-${randomBytes(4).toString('hex')}`);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const stack = new AsyncDisposableStack();
  run.undoLater('store', async () => stack.disposeAsync());
  stack.defer(async () => rm(folder, { recursive: true, force: true }));
  if (kind === 'directory') return startDirectory(folder);
  run.event('an S3 server is started');
  const radosgw = await startRadosgw({
    id: 'drill-s3',
    dir: join(folder, 's3'),
    logFile: join(folder, 's3.log'),
    signal: run.signal,
  });
  stack.defer(async () => radosgw.stop());
  const proxy = stack.use(await FaultyProxy.start({ host: '127.0.0.1', port: radosgw.gateway.port }));
  return startS3(radosgw, proxy);
}

/** The place of a disk: it is still there without the disk, and empty. */
async function startDirectory(folder: string): Promise<DrillStore> {
  const [place, away, hidden] = ['blobs', 'away', 'hidden'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  const direct = { kind: 'directory', path: place } as const;
  await prepareBlobStore(direct);
  const vanish = async (): Promise<() => Promise<void>> => {
    await rename(place, away);
    await mkdir(place);
    return async () => {
      // What was written meanwhile is lost under the disk.
      await rename(place, hidden);
      await rename(away, place);
      await rm(hidden, { recursive: true });
    };
  };
  return { kind: 'directory', blobs: `file:${place}`, direct, vanish };
}

async function startS3(radosgw: RunningRadosgw, proxy: FaultyProxy): Promise<DrillStore> {
  const { accessKey, secret } = radosgw;
  const bucket = 'images';
  const endpoint = `http://127.0.0.1:${radosgw.gateway.port}`;
  const direct = { kind: 's3', endpoint, bucket, accessKey, secret } as const;
  await prepareBlobStore(direct);
  let { gateway } = radosgw;
  const vanish = async (): Promise<() => Promise<void>> => {
    gateway.signal('SIGKILL');
    await gateway.stop();
    return async () => {
      gateway = await radosgw.restartGateway();
    };
  };
  const blobs = `s3://${accessKey}:${secret}@127.0.0.1:${proxy.port}/${bucket}`;
  return { kind: 's3', blobs, direct, proxy, vanish };
}
