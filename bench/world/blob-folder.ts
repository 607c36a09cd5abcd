import { mkdir, readdir, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { spreadOf } from '../../db/blobs/directory-layout.ts';
import { prepareBlobStore } from '../../db/blobs/open-blob-store.ts';
import { ALPHABET } from '../../db/keyspace/alphabet.ts';
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

/**
 * The same, with the folders that a store in use has: one for each two characters with which keys begin.
 * @returns also where its images are
 */
export async function makeUsedBlobFolder(
  cluster: Pick<PrivateCluster, 'dir'>,
  name: string,
): Promise<BlobFolder & { readonly images: string }> {
  const made = await makeBlobFolder(cluster, name);
  const images = join(made.path, 'images');
  for (const first of ALPHABET)
    for (const second of ALPHABET)
      await mkdir(join(images, spreadOf(first + second)), { recursive: true, mode: 0o700 });
  return { ...made, images };
}

/**
 * Makes all files in a folder empty, so that they take no room. To remove them would make others slow: ext4
 * without a journal looks at every file that was removed in the last minutes before it makes a new one.
 */
export async function emptyFiles(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) await truncate(join(entry.parentPath, entry.name));
}
