import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { BlobStore } from '../../db/blobs/blob-store.ts';
import { Problem } from '../http/problem.ts';
import type { Decoder } from '../pictures/decoder.ts';
import type { ReadPicture } from './prepare-picture.ts';

/* Stands here until the store and the formats are there. */

export function openSeamStore(folder: string): BlobStore {
  const at = (name: string): string => join(folder, name);
  return {
    name: 'seam',
    put: async (name, content) => {
      await mkdir(dirname(at(name)), { recursive: true });
      await pipeline(content.read(), createWriteStream(at(name)));
    },
    get: async (name, range) => {
      const found = await stat(at(name)).catch(() => undefined);
      if (found === undefined) return undefined;
      const part = range && { start: range.first, end: range.last };
      return {
        bytes: found.size,
        stream: createReadStream(at(name), { ...part, highWaterMark: 256 * 1024 }),
      };
    },
    stat: async (name) => {
      const found = await stat(at(name)).catch(() => undefined);
      return found && { name, bytes: found.size, storedAt: found.mtime };
    },
    delete: async (name) => rm(at(name), { force: true }),
    list: async function* list() {
      yield* [];
    },
    close: async () => undefined,
  };
}

export const seamReadPicture: ReadPicture = async (source) => {
  const head = await source.read(0, 24);
  if (head.toString('latin1', 1, 4) !== 'PNG') return { kind: 'unknown-type' };
  const [width, height] = [head.readUInt32BE(16), head.readUInt32BE(20)];
  return { type: 'png', width, height, frames: 1, parts: [{ from: 0, to: source.bytes }] };
};

export const seamDecoder: Pick<Decoder, 'check' | 'thumbnail'> = {
  check: async () => undefined,
  thumbnail: async () => {
    throw new Problem('overloaded');
  },
};
