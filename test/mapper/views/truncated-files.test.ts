import { createHash, randomBytes } from 'node:crypto';
import { truncate } from 'node:fs/promises';
import { expect } from 'chai';
import { DamagedBlobError } from '../../../db/blobs/blob-errors.ts';
import { placeOf } from '../../../db/blobs/directory-layout.ts';
import type { DirectoryStore } from '../../../db/blobs/directory-store.ts';
import type { ImageFacts } from '../../../db/urls/image-facts.ts';
import { blobNameOf } from '../../../db/urls/image-facts.ts';
import { PictureMemory } from '../../../mapper/views/picture-memory.ts';
import { Pictures, type OpenPicture } from '../../../mapper/views/pictures.ts';
import { thumbnailNameOf, Thumbnails } from '../../../mapper/views/thumbnails.ts';
import { monotonicMs } from '../../../runtime/clock.ts';
import { QUIET_LOG } from '../../../runtime/log.ts';
import { contentOf } from '../../db/blobs/contents.ts';
import { newRoot, storeIn } from '../../db/blobs/directory.ts';
import { rejection } from '../../db/rejection.ts';
import { testFolder } from '../../servers.ts';

const MIB = 2 ** 20;

/** A WebP as far as its head says. */
function webp(bytes: number): Buffer {
  const file = randomBytes(bytes);
  file.write('RIFF', 0, 'latin1');
  file.writeUInt32LE(bytes - 8, 4);
  file.write('WEBP', 8, 'latin1');
  return file;
}

describe('pictures whose files in the directory were cut off', () => {
  const THUMBNAIL = webp(5_000);
  let root: string;
  let store: DirectoryStore;
  let made: number;

  beforeEach(async () => {
    root = await newRoot(testFolder());
    store = storeIn(root);
    made = 0;
  });

  async function put(key: string, bytes: number): Promise<ImageFacts> {
    const content = randomBytes(bytes);
    const sha256 = createHash('sha256').update(content).digest('hex');
    await store.put(blobNameOf(key, sha256), contentOf(content));
    const postedAt = new Date().toISOString();
    return { type: 'png', width: 1, height: 1, bytes, sha256, postedAt, deleteTokenHash: sha256 };
  }

  async function cutOff(name: string, bytes: number): Promise<void> {
    await truncate(placeOf(root, name).file, bytes);
  }

  /** Views that have seen nothing yet, with no memory for pictures. */
  function views(): { pictures: Pictures; thumbnails: Thumbnails } {
    const memory = new PictureMemory(0);
    const pictures = new Pictures({ store, memory, now: monotonicMs });
    const thumbnails = new Thumbnails({
      store,
      memory,
      pictures,
      decoder: {
        thumbnail: async () => {
          made += 1;
          return THUMBNAIL;
        },
      },
      isThere: async () => true,
      onMade: () => undefined,
      now: monotonicMs,
      log: QUIET_LOG,
    });
    return { pictures, thumbnails };
  }

  async function readAll(opening: Promise<OpenPicture>): Promise<number> {
    const opened = await opening;
    if ('lease' in opened) return opened.lease.bytes.length;
    throw new Error('a stream');
  }

  for (const bytes of [100_000, MIB, 3 * MIB]) {
    it(`are damaged, whole and in their missing part, and make no thumbnail (${bytes} bytes)`, async () => {
      const image = await put('Abcdefg', bytes);
      expect(await readAll(views().pictures.open('Abcdefg', image, undefined, undefined))).to.equal(bytes);
      await cutOff(blobNameOf('Abcdefg', image.sha256), bytes - 1_000);
      for (const attempt of [
        async () => readAll(views().pictures.open('Abcdefg', image, undefined, undefined)),
        async () =>
          views().pictures.open('Abcdefg', image, { first: bytes - 500, last: bytes - 1 }, undefined),
        async () => views().thumbnails.open({ key: 'Abcdefg', image, size: 160 }, undefined),
      ])
        expect(await rejection(attempt())).to.be.instanceOf(DamagedBlobError);
      expect(made).to.equal(0);
    });
  }

  it('have a thumbnail that is made again', async () => {
    const wanted = { key: 'Abcdefg', image: await put('Abcdefg', 1_000), size: 160 } as const;
    const ask = async (): Promise<boolean> => {
      const { lease } = await views().thumbnails.open(wanted, undefined);
      lease.release();
      return lease.bytes.equals(THUMBNAIL);
    };
    expect([await ask(), await ask()]).to.deep.equal([true, true]);
    expect(made).to.equal(1);
    await cutOff(thumbnailNameOf(wanted), 4_999);
    expect([await ask(), await ask()]).to.deep.equal([true, true]);
    expect(made).to.equal(2);
  });
});
