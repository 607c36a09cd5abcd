import { createHash, randomBytes } from 'node:crypto';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { BlobRefusedError, DamagedBlobError } from '../../../db/blobs/blob-errors.ts';
import { WholeBlobs } from '../../../db/blobs/hashing.ts';
import { describeBlobStore, openBlobStore, prepareBlobStore } from '../../../db/blobs/open-blob-store.ts';
import { WatchedBlobStore } from '../../../db/blobs/watched-store.ts';
import { StoreUnavailableError } from '../../../db/store-errors.ts';
import { QUIET_LOG, type Log } from '../../../runtime/log.ts';
import { testFolder, testS3 } from '../../servers.ts';
import { until } from '../../until.ts';
import { rejection } from '../rejection.ts';
import { describeBlobList } from './blob-list.contract.ts';
import { contentOf, namesOf, readBlob } from './contents.ts';
import { newRoot, spooledIn, storeIn } from './directory.ts';

describe('an opened blob store', () => {
  let root: string;
  let store: WatchedBlobStore;
  let seen: string[];

  async function open(pollMs: number): Promise<WatchedBlobStore> {
    return openBlobStore(
      { kind: 'directory', path: root },
      {
        log: QUIET_LOG,
        pollMs,
        observer: {
          onOperation: (operation, hasFailed, seconds) => {
            expect(seconds).to.be.within(0, 10);
            seen.push(`${operation}${hasFailed ? '!' : ''}`);
          },
        },
      },
    );
  }

  beforeEach(async () => {
    root = await newRoot(testFolder());
    seen = [];
    store = await open(0);
  });
  afterEach(async () => store.close());

  it('is refused before it was prepared, and is away until then', async () => {
    const path = join(testFolder(), randomBytes(4).toString('hex'), 'deep');
    const fresh = await openBlobStore({ kind: 'directory', path }, { log: QUIET_LOG, pollMs: 20 });
    try {
      expect(await rejection(fresh.put('a', contentOf(randomBytes(3))))).to.be.instanceOf(
        StoreUnavailableError,
      );
      expect(fresh.isUp).to.equal(false);
      await prepareBlobStore({ kind: 'directory', path });
      await until('the store to be up', () => fresh.isUp);
      await fresh.put('a', contentOf(randomBytes(3)));
    } finally {
      await fresh.close();
    }
  });

  it('tells of every operation, and of reads that broke off', async () => {
    await store.put('a/b', contentOf(randomBytes(100)));
    await readBlob(store, 'a/b');
    await store.stat('a/b');
    await namesOf(store, '');
    await store.delete('a/b');
    expect(seen).to.deep.equal(['put', 'get', 'stat', 'list', 'delete']);
    expect(store.isUp).to.equal(true);
    await rejection(store.get('..'));
    await rename(root, `${root}-away`);
    await rejection(store.stat('a/b'));
    await rejection(namesOf(store, ''));
    expect(seen.slice(5)).to.deep.equal(['get!', 'stat!', 'list!']);
    expect(store.isUp).to.equal(false);
  });

  it('counts a list whose reader has seen enough as done', async () => {
    for (const name of ['a/b', 'a/c']) await store.put(name, contentOf(Buffer.from('x')));
    for await (const { name } of store.list('a/')) {
      expect(name).to.equal('a/b');
      break;
    }
    expect(seen.slice(2)).to.deep.equal(['list']);
  });

  describeBlobList(() => store);

  it('answers immediately after three failures in a row, and uses the store again when it is back', async () => {
    let asked = 0;
    await store.close();
    store = new WatchedBlobStore(storeIn(root, { before: () => void (asked += 1) }), {
      log: QUIET_LOG,
      pollMs: 0,
    });
    await store.put('a/b', contentOf(Buffer.from('x')));
    await rename(root, `${root}-away`);
    for (let failure = 0; failure < 3; failure++) await rejection(store.stat('a/b'));
    asked = 0;
    const errors = await Promise.all(Array.from({ length: 1_000 }, async () => rejection(store.get('a/b'))));
    // Of a trial, if the machine is so slow that one is due, and of the put, which cleans the spool.
    expect(asked, 'calls to the disk').to.be.below(10);
    for (const error of errors) expect(error.message).to.match(/its directory has no .keymill-blobs/);
    await rename(`${root}-away`, root);
    await until('the store to be used', async () => (await readBlob(store, 'a/b'))?.equals(Buffer.from('x')));
    for (let call = 0; call < 10; call++) await store.stat('a/b');
  });

  it('goes on reading while blobs are refused', async () => {
    await store.put('a/b', contentOf(Buffer.from('x')));
    await writeFile(join(root, 'file'), '');
    for (let failure = 0; failure < 10; failure++) {
      const error = await rejection(store.put('file/c', contentOf(Buffer.from('x'))));
      expect(error).to.be.instanceOf(BlobRefusedError);
    }
    expect(String(await readBlob(store, 'a/b'))).to.equal('x');
    expect(store.isUp).to.equal(true);
  });

  it('is not up while it refuses whatever it is asked', async () => {
    const { server, bucket } = await testS3();
    const { endpoint, accessKey } = server;
    const config = { kind: 's3', endpoint, bucket, accessKey, secret: 'wrong-secret' } as const;
    const lines: string[] = [];
    const warn = (_: unknown, text: string): unknown => lines.push(text);
    const log = { ...QUIET_LOG, warn } as unknown as Log;
    const refusing = await openBlobStore(config, { log, pollMs: 20 });
    try {
      await until('the refusal to be told', () => lines.length > 0);
      for (let call = 0; call < 5; call++)
        expect(await rejection(refusing.get('a/b'))).to.be.instanceOf(BlobRefusedError);
      expect(refusing.isUp).to.equal(false);
      expect(lines).to.deep.equal(['the blob store refuses us']);
    } finally {
      await refusing.close();
    }
  });

  it('sees an outage and its end although nobody uses it', async () => {
    await store.close();
    store = await open(20);
    await until('the store to be up', () => store.isUp);
    await rename(root, `${root}-away`);
    await until('the store to be away', () => !store.isUp);
    await rename(`${root}-away`, root);
    await until('the store to be up', () => store.isUp);
  });

  it('has ended its look when it is closed', async () => {
    const disk = Promise.withResolvers<void>();
    let isLooking = false;
    const before = async (step: string): Promise<void> => {
      if (step !== 'remove a spooled file') return;
      isLooking = true;
      await disk.promise;
    };
    const looked = new WatchedBlobStore(storeIn(root, { before }), { log: QUIET_LOG, pollMs: 20 });
    await until('a look', () => isLooking);
    const closing = looked.close();
    disk.resolve();
    await closing;
    expect(await spooledIn(root)).to.deep.equal([]);
  });

  it('is opened on S3 as well, and says where it is without keys', async () => {
    const { server, bucket } = await testS3();
    const { endpoint, accessKey, secret } = server;
    const config = { kind: 's3', endpoint, bucket, accessKey, secret } as const;
    await prepareBlobStore(config);
    const opened = await openBlobStore(config, { log: QUIET_LOG });
    try {
      await opened.put('a/b', contentOf(Buffer.from('x')));
      expect(String(await readBlob(opened, 'a/b'))).to.equal('x');
    } finally {
      await opened.close();
    }
    expect(describeBlobStore(config)).to.equal(`${endpoint}/${bucket}`);
    expect(describeBlobStore({ kind: 'directory', path: root })).to.equal(root);
  });

  describe('read as whole blobs', () => {
    const content = randomBytes(700_000);
    const expected = { bytes: content.length, sha256: createHash('sha256').update(content).digest('hex') };
    const path = (): string => join(root, 'a/b');

    beforeEach(async () => store.put('a/b', contentOf(content)));

    it('gives the bytes whose length and hash are right', async () => {
      const whole = new WholeBlobs(store);
      expect((await whole.read('a/b', expected))?.equals(content)).to.equal(true);
      expect(await whole.ensure('a/b', expected)).to.equal(true);
      expect(await whole.verify('a/b', expected)).to.equal(true);
      expect(await whole.read('a/c', expected)).to.equal(undefined);
      expect(await whole.ensure('a/c', expected)).to.equal(false);
      expect(await whole.verify('a/c', expected)).to.equal(false);
    });

    it('refuses other bytes at the first read, and another length at every read', async () => {
      const other = Buffer.from(content);
      other[500_000] = (other[500_000] ?? 0) ^ 1;
      await writeFile(path(), other);
      for (const call of ['read', 'ensure', 'verify'] as const) {
        const error = await rejection(new WholeBlobs(store)[call]('a/b', expected));
        expect(error).to.be.instanceOf(DamagedBlobError);
        expect(error.message).to.match(/a\/b is damaged: its SHA-256 is [0-9a-f]{64}, not/);
      }
      await writeFile(path(), content);
      const whole = new WholeBlobs(store);
      await whole.read('a/b', expected);
      await writeFile(path(), content.subarray(1));
      for (const call of ['read', 'verify'] as const)
        expect(String(await rejection(whole[call]('a/b', expected)))).to.match(
          /has 699999 bytes, not 700000/,
        );
    });

    it('remembers what was right, a bounded number of names, until it is told otherwise', async () => {
      const whole = new WholeBlobs(store, 2);
      const reads = (): number => seen.filter((operation) => operation === 'get').length;
      await whole.ensure('a/b', expected);
      await whole.ensure('a/b', expected);
      expect(reads()).to.equal(1);
      for (const name of ['a/c', 'a/d']) {
        await store.put(name, contentOf(content));
        await whole.ensure(name, expected);
      }
      await whole.ensure('a/d', expected);
      expect(reads()).to.equal(3);
      await whole.ensure('a/b', expected);
      expect(reads()).to.equal(4);
      whole.forget('a/b');
      await whole.ensure('a/b', expected);
      expect(reads()).to.equal(5);
    });
  });
});
