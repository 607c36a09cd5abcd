import type { Dirent } from 'node:fs';
import { opendir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { checkPrefix, isSegment } from './blob-names.ts';
import type { BlobStat } from './blob-store.ts';
import { spreadOf } from './directory-layout.ts';
import type { DiskCalls } from './disk-calls.ts';
import { isAbsent } from './disk-errors.ts';

/** A folder that is listed. */
interface Listed {
  readonly path: string;
  /** What its names begin with: `images/`. */
  readonly name: string;
  /** What its entries must begin with. */
  readonly rest: string;
  /** Names up to this one are left out. */
  readonly after: string;
}

/**
 * The blobs of a directory in the order of their names. In memory are the files of one folder on each level,
 * and the folders that begin with the same two characters. Folders before `after` are not read.
 * @throws errors of the disk
 */
export async function* listDirectory(
  root: string,
  { prefix, after = '' }: { readonly prefix: string; readonly after?: string | undefined },
  disk: DiskCalls,
): AsyncGenerator<BlobStat> {
  checkPrefix(prefix);
  const segments = prefix.split('/');
  const rest = segments.pop() ?? '';
  let path = root;
  for (const [depth, segment] of segments.entries())
    path = depth === 0 ? join(path, segment) : join(path, spreadOf(segment), segment);
  yield* walk({ path, name: segments.map((segment) => `${segment}/`).join(''), rest, after }, disk);
}

async function* walk({ path, name, rest, after }: Listed, disk: DiskCalls): AsyncGenerator<BlobStat> {
  const { files, folders, spreads } = await entriesOf(path, disk);
  const isWanted = (entry: string): boolean => entry.startsWith(rest);
  const inside = name === '' ? plain(path, folders) : spread({ path, name, rest, after }, spreads, disk);
  let at = 0;
  const sorted = files.filter((file) => isWanted(file) && `${name}${file}` > after).toSorted(byText);
  for await (const folder of inside) {
    const begin = `${name}${folder.name}/`;
    if (!isWanted(folder.name) || areAllUpTo(after, begin)) continue;
    // A blob "a-b" comes before the blobs in "a/".
    for (; at < sorted.length && (sorted[at] ?? '') < `${folder.name}/`; at++)
      yield* blobAt(path, name, sorted[at] ?? '', disk);
    yield* walk({ path: folder.path, name: begin, rest: '', after }, disk);
  }
  for (; at < sorted.length; at++) yield* blobAt(path, name, sorted[at] ?? '', disk);
}

interface Folder {
  readonly name: string;
  readonly path: string;
}

function* plain(path: string, folders: readonly string[]): Generator<Folder> {
  for (const name of folders.toSorted(byFolderName)) yield { name, path: join(path, name) };
}

/** Below the first level, folders are in folders named by their first two characters. */
async function* spread(
  { path, name, rest, after }: Listed,
  spreads: readonly string[],
  disk: DiskCalls,
): AsyncGenerator<Folder> {
  const start = rest.slice(0, 2);
  // One of a single character holds the folder with this name and no other one.
  const keyOf = (first: string): string => (first.length < 2 ? `${first}/` : first);
  const wanted = spreads
    .map((spread) => spread.slice(0, -1))
    .filter((first) => first.startsWith(start) && !areAllUpTo(after, `${name}${keyOf(first)}`));
  for (const first of wanted.toSorted((a, b) => byText(keyOf(a), keyOf(b)))) {
    const inside = join(path, spreadOf(first));
    yield* plain(inside, (await entriesOf(inside, disk)).folders);
  }
}

interface Entries {
  readonly files: string[];
  readonly folders: string[];
  readonly spreads: string[];
}

function kindOf(entry: Dirent): keyof Entries | undefined {
  if (entry.isFile()) return isSegment(entry.name) ? 'files' : undefined;
  if (!entry.isDirectory()) return undefined;
  if (isSegment(entry.name)) return 'folders';
  return entry.name.endsWith('+') && isSegment(entry.name.slice(0, -1)) ? 'spreads' : undefined;
}

/** Whether no name that begins so comes after `after`. */
function areAllUpTo(after: string, begin: string): boolean {
  return begin < after && !after.startsWith(begin);
}

/** None of a folder that is gone: the last of its blobs was deleted. */
async function entriesOf(path: string, disk: DiskCalls): Promise<Entries> {
  const found: Entries = { files: [], folders: [], spreads: [] };
  try {
    const folder = await disk.do(
      'read a folder',
      async () => opendir(path),
      async (late) => late.close(),
    );
    try {
      for (;;) {
        const entry: Dirent | null = await disk.do('read a folder', async () => folder.read());
        if (entry === null) return found;
        const kind = kindOf(entry);
        if (kind !== undefined) found[kind].push(entry.name);
      }
    } finally {
      await disk.close(folder);
    }
  } catch (error) {
    if (!isAbsent(error)) throw error;
    return found;
  }
}

async function* blobAt(
  path: string,
  folder: string,
  file: string,
  disk: DiskCalls,
): AsyncGenerator<BlobStat> {
  try {
    const found = await disk.do('look at a blob', async () => stat(join(path, file)));
    yield { name: `${folder}${file}`, bytes: found.size, storedAt: found.mtime };
  } catch (error) {
    if (!isAbsent(error)) throw error;
  }
}

function byText(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

function byFolderName(a: string, b: string): number {
  return byText(`${a}/`, `${b}/`);
}
