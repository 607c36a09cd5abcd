import { randomBytes } from 'node:crypto';
import { readdirSync, readlinkSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { ContentLengthError, DamagedBlobError } from '../../../db/blobs/blob-errors.ts';
import { prepareDirectory, SPOOL } from '../../../db/blobs/directory-layout.ts';
import { DiskCalls } from '../../../db/blobs/disk-calls.ts';
import { StoreUnavailableError } from '../../../db/store-errors.ts';
import { codeOf } from '../../../runtime/errors.ts';
import { testFolder } from '../../servers.ts';
import { until } from '../../until.ts';
import { rejection } from '../rejection.ts';
import { describeBlobStore } from './blob-store.contract.ts';
import { contentOf, newName, readBlob } from './contents.ts';
import { newRoot, spooledIn, storeIn } from './directory.ts';

describe('a blob store in a directory', () => {
  let root: string;

  describeBlobStore(async () => {
    root = await newRoot(testFolder());
    return storeIn(root);
  });

  it('has left no file open and nothing in its spool', async () => {
    await until('no open file', () => openFilesIn(root).length === 0);
    expect(await spooledIn(root)).to.deep.equal([]);
  });

  it('removes the folder of an image with its last blob', async () => {
    const own = await newRoot(testFolder());
    const store = storeIn(own);
    const [a, b] = ['images/Abcd/1', 'images/Abcd/2'];
    await store.put(a, contentOf(randomBytes(5)));
    await store.put(b, contentOf(randomBytes(5)));
    expect(await readdir(join(own, 'images/Ab+/Abcd'))).to.have.members(['1', '2']);
    await store.delete(a);
    expect(await readdir(join(own, 'images/Ab+/Abcd'))).to.deep.equal(['2']);
    await store.delete(b);
    expect(await readdir(join(own, 'images/Ab+'))).to.deep.equal([]);
  });

  it('is prepared once: again, it changes nothing', async () => {
    const own = join(await newRoot(testFolder()), 'deeper', 'blobs');
    await prepareDirectory(own, new DiskCalls());
    const marker = await readFile(join(own, '.keymill-blobs'), 'utf8');
    await storeIn(own).put('a/b', contentOf(Buffer.from('x')));
    await prepareDirectory(own, new DiskCalls());
    expect(await readFile(join(own, '.keymill-blobs'), 'utf8')).to.equal(marker);
    expect(String(await readBlob(storeIn(own), 'a/b'))).to.equal('x');
  });

  describe('with a file that holds the content', () => {
    async function fileWith(bytes: Buffer, folder = testFolder()): Promise<string> {
      const path = join(folder, randomBytes(8).toString('hex'));
      await writeFile(path, bytes);
      return path;
    }

    it('takes the file instead of a copy, as if it had been stored now', async () => {
      const [store, name, content] = [storeIn(root), newName(), randomBytes(300_000)];
      const file = await fileWith(content);
      await utimes(file, new Date('2020-01-01'), new Date('2020-01-01'));
      let taken = 0;
      const unreadable = { ...contentOf(content), read: () => contentOf(randomBytes(5)).read(), file };
      await store.put(name, { ...unreadable, onFileTaken: () => (taken += 1) });
      expect(taken).to.equal(1);
      expect(await stat(file).catch(codeOf)).to.equal('ENOENT');
      expect((await readBlob(store, name))?.equals(content)).to.equal(true);
      const found = await store.stat(name);
      expect(Date.now() - Number(found?.storedAt)).to.be.within(-2_000, 60_000);
      await store.put(name, { ...unreadable, file: await fileWith(content) });
      expect((await readBlob(store, name))?.equals(content)).to.equal(true);
      expect(await spooledIn(root)).to.deep.equal([]);
    });

    it('reads the content when the file has gone, and does not say that it has taken it', async () => {
      const [store, name, content] = [storeIn(root), newName(), randomBytes(300_000)];
      const file = join(testFolder(), randomBytes(8).toString('hex'));
      const onFileTaken = (): void => expect.fail('there was none');
      await store.put(name, { ...contentOf(content), file, onFileTaken });
      expect((await readBlob(store, name))?.equals(content)).to.equal(true);
      expect(await spooledIn(root)).to.deep.equal([]);
    });

    it('takes nothing from its own disk to the place where that was', async () => {
      const own = await newRoot(testFolder());
      const [store, content] = [storeIn(own), randomBytes(1_000)];
      await store.put('images/Abcd/1', contentOf(content));
      const file = await fileWith(content, join(own, SPOOL));
      await rename(own, `${own}-away`);
      await mkdir(own);
      const failure = await rejection(store.put('images/Abcd/2', { ...contentOf(content), file }));
      expect(failure).to.be.instanceOf(StoreUnavailableError);
      expect(failure.message).to.match(/the disk is not mounted/);
      expect(await readdir(own)).to.deep.equal([]);
    });

    it('copies a file of another file system', async () => {
      const [store, name, content] = [storeIn(root), newName(), randomBytes(1_000)];
      const folder = join('/dev/shm', `keymill-${randomBytes(6).toString('hex')}`);
      await mkdir(folder);
      try {
        await store.put(name, { ...contentOf(content), file: await fileWith(content, folder) });
      } finally {
        await rm(folder, { recursive: true });
      }
      expect((await readBlob(store, name))?.equals(content)).to.equal(true);
    });

    it('stores nothing of a file with another length', async () => {
      const [store, name] = [storeIn(root), newName()];
      const file = await fileWith(randomBytes(999));
      const content = { ...contentOf(randomBytes(1_000)), file };
      expect(await rejection(store.put(name, content))).to.be.instanceOf(ContentLengthError);
      expect(await store.stat(name)).to.equal(undefined);
      expect(await spooledIn(root)).to.deep.equal([]);
    });
  });

  it('fails to read a blob that is shortened meanwhile, instead of giving fewer bytes', async () => {
    const [own, name] = [await newRoot(testFolder()), 'a/b'];
    const store = storeIn(own);
    await store.put(name, contentOf(randomBytes(2_000_000)));
    const blob = await store.get(name);
    await truncate(join(own, 'a/b'), 1_000_000);
    const reading = async (): Promise<number> => {
      let read = 0;
      for await (const piece of blob?.stream ?? []) read += (piece as Buffer).length;
      return read;
    };
    expect(await rejection(reading())).to.be.instanceOf(DamagedBlobError);
  });

  it('reads a blob of a known length into memory in three calls, and notices another length', async () => {
    const own = await newRoot(testFolder());
    const steps: string[] = [];
    const store = storeIn(own, { before: (step) => void steps.push(step) });
    const content = randomBytes(300_000);
    const name = 'images/Abcd/1';
    // Else the first put begins it.
    await store.removeLeftovers();
    await store.put(name, contentOf(content));
    const into = async (bytes: number): Promise<Buffer> => {
      const target = Buffer.alloc(bytes);
      await (await store.get(name, undefined, bytes))?.readInto?.(target);
      return target;
    };
    steps.length = 0;
    expect((await into(content.length)).equals(content)).to.equal(true);
    expect(steps).to.deep.equal(['open a blob', 'read a blob', 'close']);
    for (const bytes of [content.length - 1, content.length + 1])
      expect(await rejection(into(bytes))).to.be.instanceOf(DamagedBlobError);
  });

  it('makes the folders of a store durable with one call when it begins, and then only new ones', async () => {
    const own = await newRoot(testFolder());
    const names = Array.from({ length: 20 }, (_, n) => `images/${String.fromCodePoint(65 + n)}bcd/1`);
    for (const name of names) await storeIn(own).put(name, contentOf(randomBytes(5)));
    const steps: string[] = [];
    const store = storeIn(own, { before: (step) => void steps.push(step) });
    await store.removeLeftovers();
    const syncsFor = async (name: string): Promise<number> => {
      steps.length = 0;
      await store.put(name, contentOf(randomBytes(5)));
      return steps.filter((step) => step === 'sync a folder').length;
    };
    // The store, `images`, and the two folders of the key.
    expect(await syncsFor('images/Abcd/2')).to.equal(4);
    for (const name of names) expect(await syncsFor(name.replace('bcd', 'bce'))).to.equal(2);
    expect(await syncsFor('images/Zbcd/1')).to.equal(3);
    expect(await syncsFor('images/Zbce/1')).to.equal(2);
  });

  it('leaves alone what others have put beside its blobs', async () => {
    const own = await newRoot(testFolder());
    const store = storeIn(own);
    await store.put('images/Abcd/1', contentOf(randomBytes(5)));
    await mkdir(join(own, 'lost+found'));
    await writeFile(join(own, 'images/.nfs0001'), 'x');
    const found: string[] = [];
    for await (const { name } of store.list('')) found.push(name);
    expect(found).to.deep.equal(['images/Abcd/1']);
    await store.delete('images/Abcd/1');
    expect(await readdir(join(own, 'images'))).to.include('.nfs0001');
  });
});

function openFilesIn(root: string): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const path = readlinkSync(`/proc/self/fd/${fd}`);
      return path.startsWith(root) ? [path] : [];
    } catch {
      return [];
    }
  });
}
