import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { BlobStore } from '../../db/blobs/blob-store.ts';

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
