import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import { createConnection, type Connection } from 'mysql2/promise';
import { createUserId } from '../../db/accounts/user-ids.ts';
import { openUsersDb, type UsersDb } from '../../db/accounts/users-db.ts';
import { migrate } from '../../db/mysql/migrate.ts';
import { createLog } from '../../runtime/log.ts';
import { testDatabase } from '../servers.ts';

/** Nothing is over by its age. */
const NEVER = { jobs: new Date(0), files: new Date(0), uploads: new Date(0) };

describe('the jobs of imports in the users database', () => {
  let db: UsersDb;
  let sql: Connection;
  let users = 0;

  before(async function () {
    this.timeout(60_000);
    const url = await testDatabase('import-jobs');
    await migrate(url, 'users', createLog('test', 'users', 'silent'));
    db = openUsersDb({ url });
    sql = await createConnection(url);
  });

  after(async () => {
    await sql.end();
    await db.close();
  });

  async function person(): Promise<bigint> {
    const id = createUserId(Date.now());
    const names = { firstName: null, middleName: null, lastName: null };
    const email = `${(users += 1)}@example.com`;
    const createdAt = new Date();
    await db.users.create({ id, email, password: 'x', ...names, isAdmin: false, createdAt });
    return id;
  }

  async function create(userId: bigint): Promise<string> {
    const id = randomBytes(16).toString('hex');
    await db.imports.create({ id, userId, createdAt: new Date(), options: '{}' });
    return id;
  }

  async function upload(userId: bigint): Promise<string> {
    const id = await create(userId);
    await db.imports.addPiece(id, 0, Buffer.from('url\n'));
    await db.imports.finishUpload(id, 4);
    return id;
  }

  /** As if the process that held it had died half a minute ago. */
  async function holderDied(): Promise<void> {
    await sql.execute("UPDATE import_jobs SET held_until = '2026-01-01'");
  }

  it('fails when three processes have died of it, and does not keep others from going on', async () => {
    const user = await person();
    const deadly = await upload(user);
    for (let attempt = 0; attempt < 3; attempt += 1) {
      expect(await db.imports.claim('a')).to.equal(deadly);
      await holderDied();
    }
    const other = await upload(user);
    expect(await db.imports.claim('a')).to.equal(undefined);
    expect(await db.imports.find(deadly)).to.include({
      state: 'failed',
      reason: '3 processes began it, and ended before more of it was done',
    });
    expect(await db.imports.claim('a')).to.equal(other);
    await db.imports.end({ id: other, holder: 'a' }, { state: 'done', progress: '{}', reason: null });
  });

  it('goes on however often its process ends, if more is done each time or it waits for a store', async () => {
    const id = await upload(await person());
    const held = { id, holder: 'a' };
    for (let attempt = 1; attempt < 6; attempt += 1) {
      expect(await db.imports.claim('a')).to.equal(id);
      expect(await db.imports.keep(held, '{}', attempt)).to.equal(true);
      await holderDied();
    }
    for (let attempt = 0; attempt < 5; attempt += 1) {
      expect(await db.imports.claim('a')).to.equal(id);
      await db.imports.release(held, 'away', 0);
      await holderDied();
    }
    await db.imports.claim('a');
    await db.imports.end(held, { state: 'done', progress: '{}', reason: null });
  });

  it('takes no piece when the upload is over, so that none stays for ever', async () => {
    const user = await person();
    const [slow, gone, broken] = [await create(user), await create(await person()), await create(user)];
    for (const id of [slow, gone, broken])
      expect(await db.imports.addPiece(id, 0, Buffer.from('a'))).to.equal(true);
    expect(await db.imports.sumKept(user)).to.include({ bytes: 2 * 2 ** 20 });
    await db.imports.abandon(broken, 'it broke off');
    await sql.execute("UPDATE import_jobs SET created_at = '2026-01-01' WHERE job_id = UNHEX(?)", [slow]);
    const account = (await db.imports.find(gone))?.userId ?? 0n;
    await db.users.askDeletion(account, { password: 'x', deleteLinks: false, now: new Date() });
    while (await db.imports.sweep({ ...NEVER, uploads: new Date('2026-02-01') }));
    for (const id of [slow, gone, broken]) {
      expect(await db.imports.addPiece(id, 1, Buffer.from('b'))).to.equal(false);
      expect(await db.imports.finishUpload(id, 2)).to.equal(false);
      const [pieces] = await sql.query('SELECT piece FROM import_pieces WHERE job_id = UNHEX(?)', [id]);
      expect(pieces).to.deep.equal([]);
    }
  });

  async function piecesOf(id: string): Promise<number> {
    const [rows] = await sql.query('SELECT COUNT(*) AS pieces FROM import_pieces WHERE job_id = UNHEX(?)', [
      id,
    ]);
    return (rows as [{ pieces: number }])[0].pieces;
  }

  /** A job with a file of so many short pieces. */
  async function uploadPieces(userId: bigint, pieces: number): Promise<string> {
    const id = await create(userId);
    for (let piece = 0; piece < pieces; piece += 1) await db.imports.addPiece(id, piece, Buffer.from('a'));
    await db.imports.finishUpload(id, pieces);
    return id;
  }

  async function end(id: string): Promise<void> {
    expect(await db.imports.claim('a')).to.equal(id);
    await db.imports.end({ id, holder: 'a' }, { state: 'done', progress: '{}', reason: null });
  }

  it('stay in the list without their files, until they are old', async () => {
    const user = await person();
    const done = await uploadPieces(user, 20);
    await end(done);
    const waits = await uploadPieces(user, 1);
    const later = new Date(Date.now() + 60_000);
    let pieces = 0;
    while (await db.imports.sweep({ ...NEVER, files: later })) {
      const now = await piecesOf(done);
      expect(pieces === 0 ? 20 : pieces - now).to.be.at.most(20);
      pieces = now;
    }
    expect([await piecesOf(done), await piecesOf(waits)]).to.deep.equal([0, 0]);
    const jobs = await db.imports.list({ userId: user, isOver: true, before: undefined, limit: 10 });
    expect(jobs.map(({ id, state, reason }) => [id, state, reason])).to.have.deep.members([
      [done, 'done', null],
      [waits, 'failed', 'it did not end while its file was kept'],
    ]);
    for (const { fileRemovedAt } of jobs) expect(fileRemovedAt).to.be.instanceOf(Date);
    expect(await db.imports.sumKept(user)).to.include({ bytes: 0 });
    while (await db.imports.sweep({ ...NEVER, jobs: later }));
    expect(await db.imports.find(done)).to.equal(undefined);
  });

  it('leave the list when their user removes them; large files go with the next sweeps', async () => {
    const user = await person();
    const [small, large] = [await uploadPieces(user, 2), await uploadPieces(user, 20)];
    expect(await db.imports.remove(small, user)).to.equal(false);
    for (const id of [small, large]) await end(id);
    expect(await db.imports.remove(small, await person())).to.equal(false);
    for (const id of [small, large]) {
      expect(await db.imports.remove(id, user)).to.equal(true);
      expect(await db.imports.remove(id, user)).to.equal(false);
      expect(await db.imports.find(id)).to.equal(undefined);
    }
    expect(
      await db.imports.list({ userId: user, isOver: undefined, before: undefined, limit: 9 }),
    ).to.deep.equal([]);
    expect([await piecesOf(small), await piecesOf(large)]).to.deep.equal([0, 12]);
    // Its room is taken until it is gone.
    expect(await db.imports.sumKept(user)).to.include({ bytes: 20 });
    while (await db.imports.sweep(NEVER));
    expect(await piecesOf(large)).to.equal(0);
    expect(await db.imports.sumKept(user)).to.include({ bytes: 0 });
  });

  it('makes nobody wait who asks for an account', async () => {
    const user = await person();
    const id = await create(user);
    await sql.beginTransaction();
    await sql.execute('SELECT 1 FROM import_jobs WHERE job_id = UNHEX(?) FOR UPDATE', [id]);
    let areWaiting = true;
    const imports = Array.from({ length: 8 }, async () => db.imports.addPiece(id, 0, Buffer.from('a')));
    const all = (async () => {
      await Promise.allSettled(imports);
      areWaiting = false;
    })();
    expect((await db.users.find(user))?.id).to.equal(user);
    expect(areWaiting).to.equal(true);
    await sql.rollback();
    await all;
  });
});
