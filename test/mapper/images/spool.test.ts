import { createHash, randomBytes, randomInt } from 'node:crypto';
import { readlinkSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, readlink, rm, utimes, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { expect } from 'chai';
import { DiskCalls } from '../../../db/blobs/disk-calls.ts';
import { Problem } from '../../../mapper/http/problem.ts';
import { receiveBody } from '../../../mapper/images/receive-upload.ts';
import { Spool } from '../../../mapper/images/spool.ts';
import { createLog } from '../../../runtime/log.ts';
import { createRandom } from '../../../runtime/random.ts';
import { until } from '../../until.ts';

const log = createLog('test', 'spool', 'silent');
const LONG_AGO = new Date(Date.now() - 2 * 3_600_000);
/** No process has it: Linux gives ids up to 2²². */
const NOBODY = 4_194_305;

describe('the spool of uploads', () => {
  let folder = '';

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'keymill-spool-'));
  });

  afterEach(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  async function open(parent = join(folder, 'uploads')): Promise<Spool> {
    return Spool.open({ parent, disk: new DiskCalls(), log });
  }

  async function leave(name: string, date?: Date): Promise<void> {
    const left = join(folder, 'uploads', name);
    await mkdir(left, { recursive: true });
    await writeFile(join(left, '1'), 'bytes');
    if (date === undefined) return;
    await utimes(join(left, '1'), date, date);
    await utimes(left, date, date);
  }

  it('removes at its start what processes have left that have ended, and nothing of others', async () => {
    const begun = Math.round(performance.timeOrigin);
    const id = '0123456789abcdef';
    const here = `${hostname()}.${readlinkSync('/proc/self/ns/pid').replaceAll(/\D/g, '')}`;
    const stays = [
      `${here}.${process.pid}.${begun}.${id}`,
      `${here}.${process.ppid}.1.${id}`,
      // A container with the same host name has other ids.
      `${hostname()}.1.${NOBODY}.1.${id}`,
      `other-host.${NOBODY}.1.${id}`,
      'something-else',
    ];
    const goes = [
      `${here}.${NOBODY}.1.${id}`,
      // Of an earlier process with our id.
      `${here}.${process.pid}.1.${id}`,
    ];
    for (const name of [...stays, ...goes]) await leave(name);
    await leave(`other-host.7.1.${id}`, LONG_AGO);
    await using _ = await open();
    expect(await readdir(join(folder, 'uploads'))).to.have.members(stays);
  });

  it('keeps bytes, their number and their hash, and removes the file', async () => {
    await using spool = await open();
    {
      await using file = await spool.create();
      await file.keep(Buffer.from('hel'));
      await file.keep(Buffer.from('lo'));
      expect((await file.read(1, 100)).toString()).to.equal('ello');
      expect(file.bytes).to.equal(5);
      expect(await file.hash()).to.equal('2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824');
    }
    const [own = ''] = await readdir(join(folder, 'uploads'));
    expect(await readdir(join(folder, 'uploads', own))).to.deep.equal([]);
  });

  it('makes nothing in the place of a disk that is not mounted, and goes on when it is', async () => {
    const parent = join(folder, 'disk', 'uploads');
    await using spool = await open(parent);
    const failure: unknown = await spool.create().catch((error: unknown) => error);
    expect(failure).to.be.instanceOf(Problem).with.property('code', 'store-down');
    expect(await readdir(folder)).to.deep.equal([]);
    await mkdir(join(folder, 'disk'));
    await using file = await spool.create();
    await file.keep(Buffer.from('x'));
  });

  it('gives all bytes again as a stream', async () => {
    await using spool = await open();
    await using file = await spool.create();
    const bytes = randomBytes(700_001);
    for (let at = 0; at < bytes.length; at += 100_000) await file.keep(bytes.subarray(at, at + 100_000));
    expect((await buffer(file.stream())).equals(bytes)).to.equal(true);
    expect((await buffer(file.stream())).equals(bytes)).to.equal(true);
  });

  it('gives all bytes again at any place, in memory or not, and however they were written', async () => {
    const seed = randomInt(2 ** 31);
    const random = createRandom(seed);
    const below = (limit: number): number => Math.floor(random() * limit);
    await using spool = await open();
    // More of them at a time than buffers are kept.
    const files = await Promise.all(Array.from({ length: 10 }, async () => spool.create()));
    for (const file of files) {
      const bytes = randomBytes(below(3_500_000));
      for (let at = 0; at < bytes.length;) {
        const piece = bytes.subarray(at, at + 1 + below(below(8) === 0 ? 1_500_000 : 70_000));
        await file.keep(piece);
        at += piece.length;
        if (below(30) === 0) await file.read(below(at), below(100_000));
      }
      await file.finish();
      for (let i = 0; i < 30; i += 1) {
        if (below(10) === 0) file.release();
        const [from, length] = [below(bytes.length), below(below(5) === 0 ? 1_500_000 : 100_000)];
        const read = await file.read(from, length);
        const why = `seed ${seed}: ${length} of ${bytes.length} bytes from ${from}`;
        expect(read.equals(bytes.subarray(from, from + length)), why).to.equal(true);
      }
      expect((await readFile(file.path)).equals(bytes), `seed ${seed}`).to.equal(true);
      expect(await file.hash(), `seed ${seed}`).to.equal(createHash('sha256').update(bytes).digest('hex'));
      expect((await buffer(file.stream())).equals(bytes), `seed ${seed}`).to.equal(true);
    }
    for (const file of files) await file[Symbol.asyncDispose]();
  });

  it('frees the pieces of a body when they are kept, and none that shares its memory', async () => {
    await using spool = await open();
    await using stack = new AsyncDisposableStack();
    const shared = Buffer.from('shared');
    const pieces = [Buffer.from(new ArrayBuffer(65_536)), shared.subarray(0, 2), shared.subarray(2)];
    const file = await receiveBody({ pieces: Readable.from(pieces) }, stack, spool);
    expect(pieces.map(({ length }) => length)).to.deep.equal([0, 2, 4]);
    expect((await buffer(file.stream())).equals(Buffer.concat([Buffer.alloc(65_536), shared]))).to.equal(
      true,
    );
  });

  it('keeps a few pieces in a turn, however many uploads have theirs at the same moment', async () => {
    await using spool = await open();
    await using stack = new AsyncDisposableStack();
    const [uploads, each] = [8, 15];
    const begin = Promise.withResolvers<void>();
    const inTurns = new Map<number, number>();
    const pieces = async function* (): AsyncGenerator<Buffer> {
      await begin.promise;
      for (let piece = 0; piece < each; piece += 1) {
        const { loopCount } = performance.nodeTiming.uvMetricsInfo;
        inTurns.set(loopCount, (inTurns.get(loopCount) ?? 0) + 1);
        yield Buffer.alloc(65_536);
      }
    };
    let made = 0;
    const counted = { create: async () => spool.create().finally(() => (made += 1)) } as Spool;
    const kept = Array.from({ length: uploads }, async () =>
      receiveBody({ pieces: pieces() }, stack, counted),
    );
    await until('the files to be there', () => made === uploads);
    begin.resolve();
    await Promise.all(kept);
    // What half a millisecond has room for, and one piece of each that waits. All in one turn were 120.
    expect(Math.max(...inTurns.values())).to.be.below((uploads * each) / 2);
  });

  it('opens on a file system where nothing can be written, and refuses uploads there', async () => {
    await using spool = await open('/proc/nowhere/uploads');
    const failure: unknown = await spool.create().catch((error: unknown) => error);
    expect(failure).to.be.instanceOf(Problem).with.property('code', 'store-down');
  });

  it('uses no folder that others may use, where everybody may write', async () => {
    const parent = join(folder, 'uploads');
    await using spool = await Spool.open({ parent, isAmongOthers: true, disk: new DiskCalls(), log });
    await mkdir(parent);
    await chmod(parent, 0o777);
    const failure: unknown = await spool.create().catch((error: unknown) => error);
    expect(failure).to.be.instanceOf(Problem).with.property('code', 'store-down');
    expect(await readdir(parent)).to.deep.equal([]);
    await rm(parent, { recursive: true });
    await using file = await spool.create();
    await file.keep(Buffer.from('x'));
  });

  it('leaves no file open when its disk hangs while an upload ends', async () => {
    const hang = Promise.withResolvers<void>();
    let isHanging = false;
    const disk = new DiskCalls({
      timeoutMs: 100,
      before: async () => (isHanging ? hang.promise : undefined),
    });
    await using spool = await Spool.open({ parent: join(folder, 'uploads'), disk, log });
    {
      await using file = await spool.create();
      await file.keep(Buffer.from('x'));
      isHanging = true;
      const late = Array.from({ length: 8 }, async () =>
        disk.do('read', async () => undefined).catch(() => undefined),
      );
      await Promise.all(late);
    }
    expect(await openFiles(folder), 'it hangs').to.have.lengthOf(1);
    isHanging = false;
    hang.resolve();
    await until('the file to be closed', async () => (await openFiles(folder)).length === 0);
  });
});

/** Paths below a folder that this process has open. */
async function openFiles(folder: string): Promise<string[]> {
  const names = await readdir('/proc/self/fd');
  const paths = await Promise.all(names.map(async (fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')));
  return paths.filter((path) => path.startsWith(`${folder}/`));
}
