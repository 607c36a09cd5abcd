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

const LINE_BREAK = 0x0a;
/** How long the end of a last line is waited for. */
const LINE_END_TIMEOUT_MS = 250;
/** Together about half a millisecond. */
const READS_WITHOUT_PAUSE = 500;

/** The older part of a log file. */
export function olderPartOf(path: string): string {
  return `${path}.1`;
}

/**
 * If the file has more than `maxBytes`, moves its content to {@link olderPartOf} and empties it. Of a file
 * that was not watched and is more than twice as long, only the last `maxBytes` are kept, from the beginning
 * of a line on.
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

/**
 * Copies everything from `start` on, also what is appended meanwhile, in whole lines.
 *
 * A read may see the beginning of a line that is being appended: writes and the truncation exclude each
 * other, but a write becomes visible page by page. So after a partial line we read on, for a limited time:
 * the process may have died in the middle of the line.
 */
function copyFrom(file: number, start: number, target: string): void {
  const copy = openSync(target, 'w', 0o600);
  const buffer = Buffer.alloc(1 << 20);
  try {
    let position = start === 0 ? 0 : lineStartFrom(file, start, buffer);
    let endsWithLine = true;
    let partialSinceMs: number | undefined;
    let emptyReads = 0;
    for (;;) {
      const read = readSync(file, buffer, 0, buffer.length, position);
      if (read === 0) {
        if (endsWithLine) return;
        partialSinceMs ??= performance.now();
        if (performance.now() - partialSinceMs > LINE_END_TIMEOUT_MS) return;
        emptyReads += 1;
        // Not at first: a line that is being written is whole within microseconds, and more lines follow it.
        if (emptyReads > READS_WITHOUT_PAUSE) sleepMs(0.1);
        continue;
      }
      emptyReads = 0;
      for (let written = 0; written < read;) written += writeSync(copy, buffer, written, read - written);
      position += read;
      endsWithLine = buffer[read - 1] === LINE_BREAK;
    }
  } finally {
    closeSync(copy);
  }
}

/** The position of the first line that begins at `start` or later; `start` if none begins near it. */
function lineStartFrom(file: number, start: number, buffer: Buffer): number {
  const before = start - 1;
  const read = readSync(file, buffer, 0, buffer.length, before);
  const lineBreak = buffer.subarray(0, read).indexOf(LINE_BREAK);
  return lineBreak === -1 ? start : before + lineBreak + 1;
}

function sleepMs(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
