import { randomBytes, randomInt } from 'node:crypto';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { expect } from 'chai';
import { ContentLengthError, DamagedBlobError } from '../../../db/blobs/blob-errors.ts';
import type { BlobStore } from '../../../db/blobs/blob-store.ts';
import { StoreUnavailableError } from '../../../db/store-errors.ts';
import { rejection } from '../rejection.ts';
import { describeBlobList } from './blob-list.contract.ts';
import { contentOf, listed, namesOf, newName, piecesOf, readBlob } from './contents.ts';

const MIB = 2 ** 20;

/** What every blob store does. @param open opens an empty one */
export function describeBlobStore(open: () => Promise<BlobStore>): void {
  let store: BlobStore;

  before(async () => {
    store = await open();
  });
  after(async () => store.close());

  for (const bytes of [0, 1, 65_536, 262_144, 262_145, MIB, 20 * MIB]) {
    it(`gives back ${bytes} bytes as they were stored`, async () => {
      const content = randomBytes(bytes);
      const name = newName();
      const beganMs = Date.now();
      await store.put(name, contentOf(content));
      const blob = await store.get(name);
      expect(blob?.bytes).to.equal(bytes);
      expect((await readBlob(store, name))?.equals(content)).to.equal(true);
      const found = await store.stat(name);
      expect(found).to.deep.include({ name, bytes });
      expect(found?.storedAt.getTime()).to.be.within(beganMs - 2_000, Date.now() + 2_000);
      blob?.stream.destroy();
    });
  }

  it('gives the asked range of bytes, and the length of the whole', async () => {
    const content = randomBytes(MIB + 17);
    const name = newName();
    await store.put(name, contentOf(content));
    const end = content.length - 1;
    const ranges = [
      { first: 0, last: 0 },
      { first: end, last: end },
      { first: 0, last: end },
      { first: 262_143, last: 262_144 },
      { first: 1, last: end - 1 },
      ...Array.from({ length: 5 }, () => {
        const first = randomInt(content.length);
        return { first, last: randomInt(first, content.length) };
      }),
    ];
    for (const range of ranges) {
      const part = await readBlob(store, name, range);
      const isRight = part?.equals(content.subarray(range.first, range.last + 1));
      expect(isRight, `${range.first}-${range.last}`).to.equal(true);
    }
    const blob = await store.get(name, { first: 5, last: 9 });
    expect(blob?.bytes).to.equal(content.length);
    blob?.stream.destroy();
  });

  it('says of a range beyond the end that the blob is shorter than its reader believes', async () => {
    const name = newName();
    await store.put(name, contentOf(randomBytes(100)));
    for (const range of [
      { first: 50, last: 100 },
      { first: 100, last: 120 },
    ]) {
      expect(await rejection(readBlob(store, name, range))).to.be.instanceOf(DamagedBlobError);
    }
  });

  it('compares a blob with the length that its reader knows', async () => {
    for (const length of [1, 262_144, 600_000]) {
      const content = randomBytes(length);
      const name = newName();
      await store.put(name, contentOf(content));
      expect((await readBlob(store, name, undefined, length))?.equals(content)).to.equal(true);
      expect(await readBlob(store, newName(), undefined, length)).to.equal(undefined);
      for (const known of [length - 1, length + 1, length + 300_000]) {
        const error = await rejection(readBlob(store, name, undefined, known));
        expect(error, `${length}, known as ${known}`).to.be.instanceOf(DamagedBlobError);
      }
      const last = { first: length, last: length };
      expect(await rejection(readBlob(store, name, last, length + 1))).to.be.instanceOf(DamagedBlobError);
    }
  });

  it('has nothing under a name that was never stored, or that others continue', async () => {
    const name = newName();
    await store.put(name, contentOf(randomBytes(10)));
    const [images = '', key = ''] = name.split('/');
    for (const absent of [
      newName(),
      `${name}-160`,
      images,
      `${images}/${key}`,
      `${images}/${key.slice(0, 2)}`,
    ]) {
      expect(await store.get(absent), absent).to.equal(undefined);
      expect(await store.stat(absent), absent).to.equal(undefined);
      await store.delete(absent);
    }
    expect(await store.stat(name)).to.include({ bytes: 10 });
  });

  it('refuses names that no blob can have, before anything happens', async () => {
    const long = `images/${'a'.repeat(201)}/b`;
    for (const name of [
      '',
      '/',
      'a/',
      '/a',
      'a//b',
      '.',
      '..',
      'a/../b',
      'a/.b',
      'a b',
      'ä',
      'a\\b',
      'a+',
      long,
    ]) {
      expect(await rejection(store.put(name, contentOf(randomBytes(3)))), name).to.be.instanceOf(RangeError);
      expect(await rejection(store.get(name)), name).to.be.instanceOf(RangeError);
      expect(await rejection(store.stat(name)), name).to.be.instanceOf(RangeError);
      expect(await rejection(store.delete(name)), name).to.be.instanceOf(RangeError);
    }
    for (const prefix of ['/', '../', 'a//', '.', 'a/../'])
      expect(await rejection(namesOf(store, prefix)), prefix).to.be.instanceOf(RangeError);
  });

  it('tells names apart that differ in one letter, in its case, or in what follows', async () => {
    const [key, hash] = [randomBytes(5).toString('hex'), randomBytes(8).toString('hex')];
    const names = ['Ab', 'aB', 'ab', 'ab-', 'ab_', 'a'].flatMap((first) => [
      `images/${first}${key}/${hash}`,
      `images/${first}${key}/${hash}-160`,
    ]);
    await Promise.all(names.map(async (name) => store.put(name, contentOf(Buffer.from(name)))));
    for (const name of names) expect(String(await readBlob(store, name))).to.equal(name);
    await store.delete(names[0] ?? '');
    expect(await store.stat(names[0] ?? '')).to.equal(undefined);
    for (const name of names.slice(1)) expect(String(await readBlob(store, name))).to.equal(name);
  });

  it('takes the same bytes again under the same name', async () => {
    const content = randomBytes(100_000);
    const name = newName();
    await store.put(name, contentOf(content));
    await store.put(name, contentOf(content));
    expect((await readBlob(store, name))?.equals(content)).to.equal(true);
    expect(await namesOf(store, name)).to.deep.equal([name]);
  });

  it('deletes a blob, once or twice, and stores it again', async () => {
    const name = newName();
    for (let round = 0; round < 2; round++) {
      await store.put(name, contentOf(randomBytes(500)));
      await store.delete(name);
      expect(await store.get(name)).to.equal(undefined);
      expect(await store.stat(name)).to.equal(undefined);
      expect(await namesOf(store, name)).to.deep.equal([]);
      await store.delete(name);
    }
  });

  describeBlobList(() => store);

  it('keeps every blob whole while many are stored, read and deleted in the same folders', async () => {
    const top = `busy-${randomBytes(4).toString('hex')}`;
    const contents = Array.from({ length: 8 }, () => randomBytes(70_000));
    await Promise.all(
      contents.map(async (content, n) => {
        for (let round = 0; round < 12; round++) {
          const name = `${top}/ab/${n % 4}/${n}`;
          await store.put(name, contentOf(content));
          expect((await readBlob(store, name))?.equals(content), `${name}, ${round}`).to.equal(true);
          await store.delete(name);
          expect(await store.stat(name)).to.equal(undefined);
        }
        await store.put(`${top}/ab/${n % 4}/${n}`, contentOf(content));
      }),
    );
    expect(await listed(store, `${top}/`)).to.have.lengthOf(8);
  });

  it('gives whole bytes to a reader while the same name is stored and deleted by others', async () => {
    const name = newName();
    const content = randomBytes(300_000);
    const writers = Array.from({ length: 3 }, async (_, writer) => {
      for (let round = 0; round < 10; round++) {
        await store.put(name, contentOf(content));
        if (writer === 0) await store.delete(name);
      }
    });
    let seen = 0;
    const done = Promise.all(writers).then(() => true);
    while (!(await Promise.race([done, Promise.resolve(false)]))) {
      const found = await readBlob(store, name);
      if (found === undefined) continue;
      seen += 1;
      expect(found.equals(content)).to.equal(true);
    }
    await done;
    await store.put(name, contentOf(content));
    expect((await readBlob(store, name))?.equals(content)).to.equal(true);
    expect(seen).to.be.greaterThan(0);
  });

  for (const [what, size] of [
    ['shorter', 299_999],
    ['longer', 300_001],
    ['empty', 0],
    ['twice as long', 600_000],
  ] as const) {
    it(`stores nothing of a content that is ${what} than announced`, async () => {
      const name = newName();
      const content = { ...contentOf(randomBytes(size)), bytes: 300_000 };
      expect(await rejection(store.put(name, content))).to.be.instanceOf(ContentLengthError);
      expect(await store.stat(name)).to.equal(undefined);
      expect(await namesOf(store, name)).to.deep.equal([]);
    });
  }

  it('stores nothing of a content that was announced as empty and is not', async () => {
    const name = newName();
    const content = { ...contentOf(randomBytes(1)), bytes: 0 };
    expect(await rejection(store.put(name, content))).to.be.instanceOf(ContentLengthError);
    expect(await store.stat(name)).to.equal(undefined);
  });

  for (const after of [0, 100_000, 300_000]) {
    it(`stores nothing of a content that breaks off after ${after} of 300000 bytes`, async () => {
      const name = newName();
      const failure = new Error('the client has gone');
      const read = (): Readable =>
        Readable.from(
          (function* () {
            yield* piecesOf(randomBytes(after));
            throw failure;
          })(),
          { objectMode: false },
        );
      expect(await rejection(store.put(name, { bytes: 300_000, read }))).to.equal(failure);
      expect(await store.stat(name)).to.equal(undefined);
      await store.put(name, contentOf(randomBytes(300_000)));
      expect(await store.stat(name)).to.include({ bytes: 300_000 });
    });
  }

  it('stores nothing of a content that is destroyed while it is read', async () => {
    const name = newName();
    const stream = new Readable({ read: () => undefined });
    stream.push(randomBytes(1_000));
    const putting = rejection(store.put(name, { bytes: 300_000, read: () => stream }));
    setTimeout(() => stream.destroy(), 50);
    expect(await putting)
      .to.be.instanceOf(Error)
      .and.not.instanceOf(StoreUnavailableError);
    expect(await store.stat(name)).to.equal(undefined);
  });

  it('goes on after readers who stop in the middle', async () => {
    const name = newName();
    const content = randomBytes(4 * MIB);
    await store.put(name, contentOf(content));
    for (let reader = 0; reader < 100; reader++) {
      const blob = await store.get(name);
      if (blob === undefined) throw new Error('no blob');
      await once(blob.stream, 'readable');
      blob.stream.read(10);
      blob.stream.destroy();
    }
    expect((await readBlob(store, name))?.equals(content)).to.equal(true);
  });
}
