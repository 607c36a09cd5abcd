import {
  closeSync,
  ftruncateSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';

/** The older part of a log file. */
export function olderPartOf(path: string): string {
  return `${path}.1`;
}

/**
 * If the file has more than `maxBytes`, moves its content to {@link olderPartOf} and empties it. Of a file
 * that was not watched and is more than twice as long, only the last `maxBytes` are kept.
 *
 * The file itself stays, because the processes that write to it never open it again. They must have opened it
 * for appending: then their next line is its first one. A line that is written between the last read and the
 * truncation, a few microseconds later, is lost. Without space for the older part, the file is emptied all
 * the same.
 * @returns whether it was emptied
 * @throws the error of the disk, after the file was emptied
 */
export function rotate(path: string, maxBytes: number): boolean {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size <= maxBytes) return false;
  const fresh = `${path}.new`;
  const file = openSync(path, 'r+');
  try {
    copyFrom(file, size > 2 * maxBytes ? size - maxBytes : 0, fresh);
    ftruncateSync(file);
    renameSync(fresh, olderPartOf(path));
  } catch (error) {
    ftruncateSync(file);
    rmSync(fresh, { force: true });
    throw error;
  } finally {
    closeSync(file);
  }
  return true;
}

/** Copies everything from `start` on, also what is appended meanwhile. */
function copyFrom(file: number, start: number, target: string): void {
  const copy = openSync(target, 'w', 0o600);
  const buffer = Buffer.alloc(1 << 20);
  try {
    let position = start;
    for (let read = readSync(file, buffer, 0, buffer.length, position); read > 0;) {
      for (let written = 0; written < read;) written += writeSync(copy, buffer, written, read - written);
      position += read;
      read = readSync(file, buffer, 0, buffer.length, position);
    }
  } finally {
    closeSync(copy);
  }
}
