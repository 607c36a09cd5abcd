import { randomUUID } from 'node:crypto';
import { mkdir, open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf } from '../../runtime/errors.ts';
import { StoreUnavailableError } from '../store-errors.ts';
import { BLOB_STORE, BlobRefusedError } from './blob-errors.ts';
import { checkName } from './blob-names.ts';
import type { DiskCalls } from './disk-calls.ts';
import { fromDisk, isAbsent } from './disk-errors.ts';

/** It says that a directory is a blob store, and not the place of an unmounted disk. */
const MARKER = '.keymill-blobs';
/** Where blobs are while they are written. */
export const SPOOL = '.spool';

/** Where a blob is in a directory. */
export interface BlobPlace {
  /** All folders that contain it, the root first. */
  readonly folders: readonly string[];
  readonly file: string;
}

/**
 * `images/<key>/<hash>` is in `images/<first two characters of the key>+/<key>/<hash>`. So no folder gets as
 * many entries as there are images, and a list never reads so many at once.
 * @throws RangeError for a name that no blob can have
 */
export function placeOf(root: string, name: string): BlobPlace {
  checkName(name);
  const segments = name.split('/');
  const last = segments.pop() ?? '';
  const folders = [root];
  let folder = root;
  for (const [depth, segment] of segments.entries()) {
    if (depth > 0) folders.push((folder = join(folder, spreadOf(segment))));
    folders.push((folder = join(folder, segment)));
  }
  return { folders, file: join(folder, last) };
}

/** The folder between, for folders below the first level. No segment has a +, so no blob has its name. */
export function spreadOf(segment: string): string {
  return `${segment.slice(0, 2)}+`;
}

/**
 * Refuses a directory that is no blob store.
 * @throws StoreUnavailableError
 */
export async function checkMarker(root: string, disk: DiskCalls): Promise<void> {
  try {
    await disk.do('look for the marker', async () => stat(join(root, MARKER)));
  } catch (error) {
    if (!isAbsent(error)) throw fromDisk('look for the marker', error);
    throw new StoreUnavailableError(
      BLOB_STORE,
      `its directory has no ${MARKER}: the disk is not mounted, or keymill prepare has not run yet`,
    );
  }
}

/**
 * Makes a directory a blob store, if it is none yet. Only an operator's command calls it: a mapper would
 * take the place of an unmounted disk for a new store.
 * @throws StoreUnavailableError
 */
export async function prepareDirectory(root: string, disk: DiskCalls): Promise<void> {
  const step = 'prepare the directory';
  try {
    await disk.do(step, async () => mkdir(join(root, SPOOL), { recursive: true, mode: 0o700 }));
    await writeMarker(root, disk);
    await syncFolder(root, disk);
    await refuseIfCaseIsIgnored(root, disk);
  } catch (error) {
    throw fromDisk(step, error);
  }
}

async function writeMarker(root: string, disk: DiskCalls): Promise<void> {
  try {
    const handle = await disk.do('make the marker', async () => open(join(root, MARKER), 'wx', 0o600));
    try {
      await disk.do('write the marker', async () => handle.writeFile(`${randomUUID()}\n`));
      await disk.do('sync the marker', async () => handle.sync());
    } finally {
      await disk.close(handle);
    }
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  }
}

/** Keys that differ in case only would share a folder, and deleting one image would delete the other one. */
async function refuseIfCaseIsIgnored(root: string, disk: DiskCalls): Promise<void> {
  const other = join(root, MARKER.toUpperCase());
  const isIgnored = await disk.do('compare case', async () => stat(other)).catch(() => undefined);
  if (isIgnored === undefined) return;
  throw new BlobRefusedError(BLOB_STORE, 'its file system takes A and a for the same letter');
}

/** Makes new, renamed and removed entries of a folder durable. */
export async function syncFolder(folder: string, disk: DiskCalls): Promise<void> {
  const handle = await disk.do(
    'open a folder',
    async () => open(folder, 'r'),
    async (late) => late.close(),
  );
  try {
    await disk.do('sync a folder', async () => handle.sync());
  } finally {
    await disk.close(handle);
  }
}
