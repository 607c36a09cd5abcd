import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { rm, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { BlobRefusedError } from '../../../db/blobs/blob-errors.ts';
import { openBlobStore, prepareBlobStore } from '../../../db/blobs/open-blob-store.ts';
import { S3Store } from '../../../db/blobs/s3-store.ts';
import type { WatchedBlobStore } from '../../../db/blobs/watched-store.ts';
import type { BlobsConfig } from '../../../runtime/config/images.ts';
import { QUIET_LOG, type Log } from '../../../runtime/log.ts';
import { startS3Server, testFolder } from '../../servers.ts';
import type { S3Server } from '../../servers/s3.ts';
import { until } from '../../until.ts';
import { rejection } from '../rejection.ts';
import { contentOf, namesOf } from './contents.ts';
import { newRoot, spooledIn, storeIn } from './directory.ts';

const CONTENT = Buffer.alloc(150_000, 7);
const POLL = { pollMs: 20, writesPollMs: 20 };

describe('whether a blob store takes blobs', () => {
  let lines: string[];

  beforeEach(() => (lines = []));

  async function open(config: BlobsConfig): Promise<WatchedBlobStore> {
    const add = ({ reason = '' }: { reason?: string }, text: string): unknown =>
      lines.push(`${text} ${reason}`.trim());
    return openBlobStore(config, { log: { ...QUIET_LOG, warn: add, info: add } as unknown as Log, ...POLL });
  }

  // The store looks by writing a file. What is done to its disk waits until there is none.
  describe('in a directory', () => {
    const mount = join(testFolder(), 'disk');
    let root: string;
    let store: WatchedBlobStore;

    beforeEach(async () => {
      mkdirSync(mount, { recursive: true });
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=48m,nr_inodes=60', 'keymill-test', mount]);
      root = await newRoot(mount);
      store = await open({ kind: 'directory', path: root });
      await until('it takes blobs', () => store.isWritable);
    });
    afterEach(async () => {
      await store.close();
      // The last look may be under way.
      await until(
        'nobody uses the disk',
        () => execFileSync('umount', [mount], { stdio: 'ignore' }) === null,
      );
    });

    it('is seen without a put, when its disk becomes read-only and when that is over', async () => {
      await until('the disk to be read-only', () => {
        execFileSync('mount', ['-o', 'remount,ro', mount], { stdio: 'ignore' });
        return true;
      });
      await until('it takes none', () => !store.isWritable);
      expect(store.isUp).to.equal(true);
      expect(await rejection(store.put('a/b', contentOf(CONTENT)))).to.be.instanceOf(BlobRefusedError);
      execFileSync('mount', ['-o', 'remount,rw', mount]);
      await until('it takes blobs again', () => store.isWritable);
      await store.put('a/b', contentOf(CONTENT));
      expect(lines).to.have.length(2);
      expect(lines[0]).to.match(/^the blob store takes no blobs its file system is read-only \(EROFS/);
      expect(lines[1]).to.equal('the blob store takes blobs again');
    });

    it('is seen when its disk has less room than an image may need', async () => {
      const filler = join(mount, 'filler');
      for (const left of [0, 10 * 2 ** 20]) {
        await until('the disk to be full', async () => {
          const { bavail, bsize } = await statfs(mount);
          await writeFile(filler, Buffer.alloc(bavail * bsize - left));
          return true;
        });
        await until('it takes none', () => !store.isWritable);
        await rm(filler);
        await until('it takes blobs again', () => store.isWritable);
      }
      expect(lines.filter((line) => line.includes('its disk is full'))).to.have.length(2);
    });

    it('is seen when its disk has no room for another file', async () => {
      let files = 0;
      await until('it takes none', async () => {
        while ((await statfs(mount)).ffree > 0) await writeFile(join(mount, String(files++)), '');
        return !store.isWritable;
      });
      expect(lines.join()).to.include('its disk is full (ENOSPC');
    });

    it('is looked at without leaving anything, also by a process that is killed meanwhile', async () => {
      for (let look = 0; look < 10; look++) await store.checkWrites();
      await store.close();
      await until('the last look is over', async () => (await spooledIn(root)).length === 0);
      expect(await namesOf(store, '')).to.deep.equal([]);
      const dying = storeIn(root, {
        before: (step) => {
          if (step === 'remove a spooled file') throw new Error('killed');
        },
      });
      await dying.checkWrites();
      expect(await spooledIn(root)).to.have.length(1);
      expect(await storeIn(root).removeLeftovers(Date.now() + 3_700_000)).to.equal(1);
    });
  });

  describe('on S3', function () {
    this.timeout(120_000);
    let server: S3Server;
    let config: Extract<BlobsConfig, { kind: 's3' }>;
    let store: WatchedBlobStore;

    before(async () => {
      server = await startS3Server();
      const { endpoint, accessKey, secret } = server;
      config = { kind: 's3', endpoint, bucket: 'writes', accessKey, secret };
      await prepareBlobStore(config);
    });
    beforeEach(async () => {
      store = await open(config);
      await until('it takes blobs', () => store.isWritable);
    });
    afterEach(async () => store.close());
    after(async () => server.stop());

    it('is seen without a put, when its keys may only read and when they may write again', async () => {
      await server.allowWrites(false);
      await until('it takes none', () => !store.isWritable);
      expect(store.isUp).to.equal(true);
      expect(await rejection(store.put('a/b', contentOf(CONTENT)))).to.be.instanceOf(BlobRefusedError);
      await server.allowWrites(true);
      await until('it takes blobs again', () => store.isWritable);
      await store.put('a/b', contentOf(CONTENT));
      await store.delete('a/b');
      expect(lines[0]).to.match(/^the blob store takes no blobs .*AccessDenied/);
    });

    it('is seen when its quota is used up, and when there is room again', async () => {
      await store.put('a/large', contentOf(CONTENT));
      await server.limitBuckets(CONTENT.length + 1_000);
      await until('it takes none', () => !store.isWritable);
      expect(lines[0]).to.match(/^the blob store takes no blobs its quota is used up/);
      await server.limitBuckets(undefined);
      await until('it takes blobs again', () => store.isWritable);
      await store.delete('a/large');
    });

    it('is looked at without storing anything', async () => {
      const quiet = new S3Store(config);
      for (let look = 0; look < 5; look++) await quiet.checkWrites();
      expect(await namesOf(quiet, '')).to.deep.equal([]);
      await quiet.close();
    });
  });
});
