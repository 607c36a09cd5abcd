import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { DiskCalls } from '../../../db/blobs/disk-calls.ts';
import { Problem } from '../../../mapper/http/problem.ts';
import { Spool } from '../../../mapper/images/spool.ts';
import { createLog } from '../../../runtime/log.ts';

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
    const stays = [
      `${hostname()}.${process.pid}.${begun}.${id}`,
      `${hostname()}.${process.ppid}.1.${id}`,
      `other-host.${NOBODY}.1.${id}`,
      'something-else',
    ];
    const goes = [
      `${hostname()}.${NOBODY}.1.${id}`,
      // Of an earlier process with our id.
      `${hostname()}.${process.pid}.1.${id}`,
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
      await file.write(Buffer.from('hel'));
      await file.write(Buffer.from('lo'));
      expect((await file.read(1, 100)).toString()).to.equal('ello');
      expect(file.bytes).to.equal(5);
      expect(file.sha256).to.equal('2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824');
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
    await file.write(Buffer.from('x'));
  });
});
