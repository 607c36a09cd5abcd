import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { mkdir, readdir, rename, rm, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { BlobRefusedError } from '../../../db/blobs/blob-errors.ts';
import type { BlobStore } from '../../../db/blobs/blob-store.ts';
import { StoreUnavailableError } from '../../../db/store-errors.ts';
import { testFolder } from '../../servers.ts';
import { ranMs } from '../../ran-ms.ts';
import { until } from '../../until.ts';
import { rejection } from '../rejection.ts';
import { contentOf, listed, namesOf, newName, readBlob } from './contents.ts';
import { atStep, forEachStep, newRoot, spooledIn, storeIn } from './directory.ts';

const BYTES = 150_000;
const CONTENT = Buffer.alloc(BYTES, 7);

/** All of the blob is there, or nothing, and every question has the same answer. */
async function expectWholeOrAbsent(store: BlobStore, name: string): Promise<boolean> {
  const found = await store.stat(name);
  const isThere = found !== undefined;
  expect((await readBlob(store, name))?.equals(CONTENT)).to.equal(isThere ? true : undefined);
  expect((await listed(store, name)).map(({ bytes }) => bytes)).to.deep.equal(isThere ? [BYTES] : []);
  return isThere;
}

async function unmount(mount: string): Promise<void> {
  await until(`nobody uses ${mount}`, () => execFileSync('umount', [mount], { stdio: 'ignore' }) === null);
}

describe('a blob store in a directory, under faults', () => {
  describe('whose process is killed', function () {
    this.timeout(120_000);

    /** @returns whether the process was killed */
    function killed(...args: string[]): boolean {
      const script = join(import.meta.dirname, 'fixtures/put-and-die.ts');
      // Node then strips the types only once.
      const env = { ...process.env, NODE_COMPILE_CACHE: join(testFolder(), 'compile-cache') };
      const { signal, status, stderr } = spawnSync(process.execPath, [script, ...args], {
        encoding: 'utf8',
        env,
      });
      if (signal === null && status !== 0) throw new Error(stderr);
      return signal === 'SIGKILL';
    }

    for (const isLinked of [false, true]) {
      it(`has all of a blob or nothing, killed before any step of a put${isLinked ? ' of a file' : ''}`, async () => {
        const root = await newRoot(testFolder());
        const store = storeIn(root);
        const outcomes = new Set<boolean>();
        const steps = await forEachStep(async (step) => {
          const name = `images/${step}key/hash`;
          const file = isLinked ? join(testFolder(), randomBytes(8).toString('hex')) : '';
          if (isLinked) await writeFile(file, CONTENT);
          const wasKilled = killed(root, name, String(BYTES), file, String(step));
          const isThere = await expectWholeOrAbsent(store, name);
          outcomes.add(isThere);
          if (!wasKilled) expect(isThere).to.equal(true);
          // Nothing is in the way of another attempt.
          await store.put(name, contentOf(CONTENT));
          expect(await expectWholeOrAbsent(store, name)).to.equal(true);
          return wasKilled;
        });
        expect(steps).to.be.greaterThan(12);
        expect([...outcomes]).to.have.members([true, false]);
        // A file is not in the spool before.
        if (isLinked) expect(await spooledIn(root)).to.deep.equal([]);
        else await expectLeftoversGo(root);
      });
    }

    it('has all of a blob or nothing, killed before any step of a delete', async () => {
      const root = await newRoot(testFolder());
      const store = storeIn(root);
      const steps = await forEachStep(async (step) => {
        const name = `images/${step}key/hash`;
        await store.put(name, contentOf(CONTENT));
        const wasKilled = killed(root, name, 'delete', '', String(step));
        const isThere = await expectWholeOrAbsent(store, name);
        if (!wasKilled) expect(isThere).to.equal(false);
        await store.put(name, contentOf(CONTENT));
        expect(await expectWholeOrAbsent(store, name)).to.equal(true);
        return wasKilled;
      });
      expect(steps).to.equal(2);
    });

    async function expectLeftoversGo(root: string): Promise<void> {
      const store = storeIn(root);
      const left = (await spooledIn(root)).length;
      expect(left).to.be.greaterThan(3);
      expect(await store.removeLeftovers(), 'young ones may be in use').to.equal(0);
      expect(await store.removeLeftovers(Date.now() + 3_700_000)).to.equal(left);
      expect(await spooledIn(root)).to.deep.equal([]);
    }
  });

  describe('on a small disk', () => {
    const mount = join(testFolder(), 'small-disk');
    let root: string;
    let store: BlobStore;

    beforeEach(async () => {
      mkdirSync(mount, { recursive: true });
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m,nr_inodes=60', 'keymill-test', mount]);
      root = await newRoot(mount);
      store = storeIn(root);
      await store.put('kept', contentOf(CONTENT));
    });
    // A blob that was read is closed, and a spool is cleaned, when nobody waits for it.
    afterEach(async () => unmount(mount));

    async function expectFull(name: string): Promise<boolean> {
      const failure = await store.put(name, contentOf(CONTENT)).then(
        () => undefined,
        (error: unknown) => error,
      );
      if (failure !== undefined)
        expect(failure)
          .to.be.instanceOf(BlobRefusedError)
          .with.property('message')
          .that.matches(/its disk is full/);
      expect(await expectWholeOrAbsent(store, name)).to.equal(failure === undefined);
      expect(await spooledIn(root)).to.deep.equal([]);
      expect((await readBlob(store, 'kept'))?.equals(CONTENT)).to.equal(true);
      await store.delete(name);
      return failure !== undefined;
    }

    it('stores all of a blob or nothing, wherever the disk becomes full, and still reads and deletes', async () => {
      const filler = join(mount, 'filler');
      let refused = 0;
      for (let pages = 0; pages <= 45; pages += pages < 36 ? 3 : 1) {
        await rm(filler, { force: true });
        const { bavail, bsize } = await statfs(mount);
        await writeFile(filler, Buffer.alloc((bavail - pages) * bsize));
        if (await expectFull(`images/key${pages}/hash`)) refused += 1;
        else expect(pages).to.be.greaterThan(30);
      }
      expect(refused).to.be.within(10, 20);
      await rm(filler);
      expect(await expectFull(newName())).to.equal(false);
    });

    it('stores all of a blob or nothing, wherever the disk has no room for another file', async () => {
      let refused = 0;
      for (let free = 6; free >= 0; free--) {
        for (let n = (await statfs(mount)).ffree; n > free; n--)
          await writeFile(join(mount, `${free}-${n}`), '');
        if (await expectFull(`images/key${free}/hash`)) refused += 1;
      }
      expect(refused).to.be.within(2, 5);
    });

    it('reads from a disk that has become read-only, and says why it stores nothing', async () => {
      execFileSync('mount', ['-o', 'remount,ro', mount]);
      expect(String(await rejection(store.put('new', contentOf(CONTENT))))).to.match(/read-only \(EROFS/);
      expect(String(await rejection(store.delete('kept')))).to.match(/read-only \(EROFS/);
      expect((await readBlob(store, 'kept'))?.equals(CONTENT)).to.equal(true);
    });

    it('is away when its disk is unmounted, and writes nothing to the place below', async () => {
      const below = join(testFolder(), 'unmounted');
      await mkdir(below);
      await mkdir(join(below, 'blobs'));
      execFileSync('mount', ['--bind', root, join(below, 'blobs')]);
      const mounted = storeIn(join(below, 'blobs'));
      try {
        expect(await mounted.stat('kept')).to.include({ bytes: BYTES });
      } finally {
        await unmount(join(below, 'blobs'));
      }
      await expectAway(mounted, 'kept');
      expect(await readdir(join(below, 'blobs'))).to.deep.equal([]);
    });
  });

  async function expectAway(store: BlobStore, name: string): Promise<void> {
    for (const attempt of [
      async () => store.put(name, contentOf(CONTENT)),
      async () => store.get(name),
      async () => store.stat(name),
      async () => store.delete(name),
      async () => namesOf(store, ''),
    ]) {
      const error = await rejection(attempt());
      expect(error).to.be.instanceOf(StoreUnavailableError);
      expect(error.message).to.match(/the disk is not mounted, or keymill prepare has not run yet/);
    }
  }

  it('is away while its directory is gone or replaced by an empty one, and makes nothing there', async () => {
    const root = await newRoot(testFolder());
    const store = storeIn(root);
    await store.put('a/b', contentOf(CONTENT));
    await rename(root, `${root}-away`);
    await expectAway(store, 'a/b');
    expect(await readdir(testFolder())).not.to.include(root.slice(testFolder().length + 1));
    await mkdir(root);
    await expectAway(store, 'a/b');
    expect(await readdir(root)).to.deep.equal([]);
    await rm(root, { recursive: true });
    await rename(`${root}-away`, root);
    expect(await expectWholeOrAbsent(store, 'a/b')).to.equal(true);
  });

  it('acknowledges no blob that went to the place of a disk which vanished during the put', async () => {
    const steps = await forEachStep(async (step) => {
      const root = await newRoot(testFolder());
      const name = 'images/key/hash';
      let vanishing: Promise<void> | undefined;
      const before = atStep(step, async () => {
        vanishing = rename(root, `${root}-away`).then(async () => mkdir(root));
        await vanishing;
      });
      const outcome = await storeIn(root, { before })
        .put(name, contentOf(CONTENT))
        .then(
          () => 'stored',
          (error: unknown) => error,
        );
      if (vanishing === undefined) return false;
      await vanishing;
      await rm(root, { recursive: true });
      await rename(`${root}-away`, root);
      const isThere = await expectWholeOrAbsent(storeIn(root), name);
      if (outcome === 'stored') expect(isThere, `step ${step}`).to.equal(true);
      else expect(outcome, `step ${step}`).to.be.instanceOf(StoreUnavailableError);
      return true;
    });
    expect(steps).to.be.greaterThan(12);
  });

  for (const [code, reason] of [
    ['EIO', /its disk reports an error \(EIO/],
    ['EACCES', /we have no right to use its directory \(EACCES/],
    ['EDQUOT', /its quota is used up \(EDQUOT/],
    ['EMFILE', /too many open files \(EMFILE/],
  ] as const) {
    it(`stores all of a blob or nothing when any step of a put fails with ${code}`, async () => {
      const root = await newRoot(testFolder());
      const steps = await forEachStep(async (step) => {
        const name = `images/key${step}/hash`;
        let failed = '';
        const before = atStep(step, (what) => {
          failed = what;
          throw Object.assign(new Error(code), { code, syscall: 'test' });
        });
        const outcome = await storeIn(root, { before })
          .put(name, contentOf(CONTENT))
          .then(
            () => 'stored',
            (error: unknown) => error,
          );
        if (failed === '') return false;
        const isThere = await expectWholeOrAbsent(storeIn(root), name);
        if (outcome === 'stored') expect(isThere).to.equal(true);
        else {
          expect(outcome, failed).to.be.instanceOf(BlobRefusedError);
          expect((outcome as Error).message).to.match(reason);
        }
        expect(await spooledIn(root), failed).to.deep.equal([]);
        return true;
      });
      expect(steps).to.be.greaterThan(12);
    });
  }

  it('answers in time while its disk hangs, takes few threads, and goes on when the disk does', async () => {
    const root = await newRoot(testFolder());
    const disk = Promise.withResolvers<void>();
    let isHanging = false;
    let hanging = 0;
    const store = storeIn(root, {
      maxCalls: 3,
      timeoutMs: 1_000,
      before: async () => {
        if (!isHanging) return;
        hanging += 1;
        await disk.promise;
      },
    });
    await store.put('a/b', contentOf(CONTENT));
    isHanging = true;
    const beganMs = performance.now();
    const calls = Array.from({ length: 20 }, async (_, n) =>
      rejection(n % 2 === 0 ? store.stat('a/b') : store.get('a/b')),
    );
    for (const error of await Promise.all(calls)) {
      expect(error).to.be.instanceOf(StoreUnavailableError);
      expect(error.message).to.match(/its disk does not answer/);
    }
    expect(performance.now() - beganMs).to.be.within(900, 5_000);
    expect(hanging).to.equal(3);
    const refusedMs = ranMs();
    await rejection(store.put('c', contentOf(CONTENT)));
    expect(ranMs() - refusedMs).to.be.below(500);
    isHanging = false;
    disk.resolve();
    await until('the store to go on', async () => expectWholeOrAbsent(store, 'a/b'));
    await store.put('c', contentOf(CONTENT));
    expect(await expectWholeOrAbsent(store, 'c')).to.equal(true);
  });

  it('stores all of a blob or nothing when the disk hangs in any step of a put', async function () {
    this.timeout(60_000);
    const root = await newRoot(testFolder());
    const steps = await forEachStep(async (step) => {
      const name = `images/key${step}/hash`;
      const disk = Promise.withResolvers<void>();
      let isHanging = false;
      const before = atStep(step, async () => {
        isHanging = true;
        await disk.promise;
      });
      const putting = storeIn(root, { before, timeoutMs: 400 }).put(name, contentOf(CONTENT));
      const outcome = await putting.then(
        () => 'stored',
        (error: unknown) => error,
      );
      // On a busy machine the disk itself may be late.
      if (!isHanging) return outcome !== 'stored';
      if (outcome !== 'stored') expect(outcome).to.be.instanceOf(StoreUnavailableError);
      await expectWholeOrAbsent(storeIn(root), name);
      // What hung happens now, after the answer.
      disk.resolve();
      await expectWholeOrAbsent(storeIn(root), name);
      return true;
    });
    expect(steps).to.be.greaterThan(12);
  });
});
