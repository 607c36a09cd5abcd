import { closeSync, openSync, readSync, statSync } from 'node:fs';

/** Returns a function that reads everything that was appended to the log since. */
export function logFromNow(path: string): () => string {
  const from = sizeOf(path);
  return () => readFrom(path, from);
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
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
