import { join } from 'node:path';
import { prepareBlobStore } from '../../db/blobs/open-blob-store.ts';
import type { PrivateCluster } from './private-cluster.ts';

/** A store of images on the disk of the cluster, for one mapper. */
export interface BlobFolder {
  readonly path: string;
  /** With these a mapper stores the images of everybody there. */
  readonly settings: Readonly<Record<string, string>>;
}

/** Makes an empty store in a folder of this name. */
export async function makeBlobFolder(
  { dir }: Pick<PrivateCluster, 'dir'>,
  name: string,
): Promise<BlobFolder> {
  const path = join(dir, name);
  await prepareBlobStore({ kind: 'directory', path });
  return { path, settings: { KEYMILL_BLOBS: `file:${path}`, KEYMILL_ANONYMOUS_IMAGES: 'true' } };
}
