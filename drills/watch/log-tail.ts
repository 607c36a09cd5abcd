import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { olderPartOf } from '../../scripts/servers/rotate.ts';

/**
 * Returns a function that reads everything that was appended to the log since. The log may be rotated once in
 * the meantime.
 */
export function logFromNow(path: string): () => string {
  const older = olderPartOf(path);
  const from = sizeOf(path);
  const before = modifiedAtMs(older);
  return () => {
    if (modifiedAtMs(older) === before) return readFrom(path, from);
    return readFrom(older, from) + readFrom(path, 0);
  };
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

function modifiedAtMs(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs;
}

function readFrom(path: string, from: number): string {
  const length = sizeOf(path) - from;
  if (length <= 0) return '';
  const buffer = Buffer.alloc(length);
  const file = openSync(path, 'r');
  try {
    return buffer.toString('utf8', 0, readSync(file, buffer, 0, length, from));
  } finally {
    closeSync(file);
  }
}
