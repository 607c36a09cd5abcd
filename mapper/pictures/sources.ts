import { open, type FileHandle } from 'node:fs/promises';
import type { PictureSource } from './picture.ts';

/** A file that is open until it is disposed of. */
export interface FileSource extends PictureSource, AsyncDisposable {}

/** @throws the error of the file system when the file cannot be opened */
export async function fileSource(path: string): Promise<FileSource> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    return {
      bytes: size,
      read: (position, length) => readAt(file, position, Math.min(length, size - position)),
      [Symbol.asyncDispose]: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(Math.max(0, length));
  let filled = 0;
  // The kernel may return less than it was asked for.
  while (filled < bytes.length) {
    const { bytesRead } = await file.read(bytes, filled, bytes.length - filled, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return bytes.subarray(0, filled);
}

/** The bytes must not change while they are read. */
export function bufferSource(bytes: Uint8Array): PictureSource {
  const whole = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return {
    bytes: whole.length,
    read: (position, length) => Promise.resolve(whole.subarray(position, position + length)),
  };
}
