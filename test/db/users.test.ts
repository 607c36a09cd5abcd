import { expect } from 'chai';
import { parseEmail } from '../../db/accounts/email.ts';
import { createUserId } from '../../db/accounts/user-ids.ts';
import { openUsersDb, type UsersDb } from '../../db/accounts/users-db.ts';
import type { NewUser } from '../../db/accounts/users.ts';
import { migrate } from '../../db/mysql/migrate.ts';
import { createLog } from '../../runtime/log.ts';
import { testDatabase } from '../servers.ts';

const NAMES = { firstName: null, middleName: null, lastName: null };

describe('emails', () => {
  const PARSED: readonly (readonly [given: string, email: string | RegExp])[] = [
    ['ana@example.com', 'ana@example.com'],
    [' Ana.B+tag@Example.COM ', 'ana.b+tag@example.com'],
    ['ana@BÜCHER.example', 'ana@xn--bcher-kva.example'],
    ["o'brien@example.com", "o'brien@example.com"],
    ['a@b@example.com', /before the @/],
    ['@example.com', /must be an email address/],
    ['ana@', /domain/],
    ['ana@localhost', /domain/],
    ['ana@[127.0.0.1]', /domain/],
    ['ana@-a.example', /domain/],
    ['ána@example.com', /before the @/],
    ['a b@example.com', /before the @/],
    ['ana@exam\0ple.com', /domain/],
    [`${'a'.repeat(65)}@example.com`, /before the @/],
    [`ana@${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(62)}.com`, /254|domain/],
  ];
  for (const [given, email] of PARSED)
    it(`${JSON.stringify(given).slice(0, 40)}: ${typeof email === 'string' ? email : 'refused'}`, () => {
      const parsed = parseEmail(given);
      if (typeof email === 'string') expect(parsed).to.deep.equal({ ok: true, email });
      else expect(parsed.ok ? 'accepted' : parsed.reason).to.match(email);
    });
});

describe('ids of users', () => {
  it('are ordered by time, fit 63 bits, and repeat hardly ever within a millisecond', () => {
    const now = Date.UTC(2026, 10, 28);
    expect(createUserId(now + 1) > createUserId(now)).to.equal(true);
    expect(createUserId(Date.UTC(2095, 0, 1)) < 2n ** 63n).to.equal(true);
    expect(new Set(Array.from({ length: 100 }, () => createUserId(now))).size).to.be.at.least(99);
    expect(() => createUserId(0)).to.throw(RangeError, 'before 2026');
  });
});

describe('the tables of accounts', () => {
  let db: UsersDb;

  before(async function () {
    this.timeout(60_000);
    const url = await testDatabase('users');
    await migrate(url, 'users', createLog('test', 'users', 'silent'));
    db = openUsersDb({ url });
  });

  after(async () => db.close());

  function newUser(email: string, over: Partial<NewUser> = {}): NewUser {
    const createdAt = new Date();
    return {
      id: createUserId(createdAt.getTime()),
      email,
      password: 'x',
      isAdmin: false,
      createdAt,
      ...NAMES,
      ...over,
    };
  }

  it('keep an id of 63 bits exactly, and say what of a new user is taken', async () => {
    const id = 2n ** 63n - 1n;
    expect(await db.users.create(newUser('ana@example.com', { id }))).to.equal('created');
    expect((await db.users.findByEmail('ana@example.com'))?.id).to.equal(id);
    expect((await db.users.find(id))?.email).to.equal('ana@example.com');
    expect(await db.users.find(id - 1n)).to.equal(undefined);
    expect(await db.users.create(newUser('ana@example.com'))).to.equal('email-taken');
    expect(await db.users.create(newUser('other@example.com', { id }))).to.equal('id-taken');
  });

  it('begin no session with a password that has changed', async () => {
    const user = newUser('eva@example.com');
    await db.users.create(user);
    const [createdAt, expiresAt] = [new Date(), new Date(Date.now() + 60_000)];
    const session = { userId: user.id, createdAt, expiresAt };
    const begin = async (hash: number, password: string): Promise<boolean> =>
      db.sessions.create({ ...session, secretHash: Buffer.alloc(32, hash), password });
    expect([await begin(1, 'x'), await begin(2, 'X')]).to.deep.equal([true, false]);
    const change = async (from: string, to: string): Promise<boolean> =>
      db.users.changePassword(user.id, { from, to, now: new Date() });
    expect([await change('X', 'z'), await change('x', 'y'), await change('x', 'z')]).to.deep.equal([
      false,
      true,
      false,
    ]);
    expect(await db.sessions.find(Buffer.alloc(32, 1))).to.equal(undefined);
    expect([await begin(3, 'x'), await begin(4, 'y')]).to.deep.equal([false, true]);
  });

  it('remove only what is over, and only accounts that are to be deleted', async () => {
    const user = newUser('eve@example.com');
    await db.users.create(user);
    const at = (ms: number): Date => new Date(Date.now() + ms);
    for (const [byte, endsInMs] of [
      [5, -1_000],
      [6, 60_000],
    ] as const)
      await db.sessions.create({
        secretHash: Buffer.alloc(32, byte),
        userId: user.id,
        createdAt: at(0),
        expiresAt: at(endsInMs),
        password: 'x',
      });
    await db.sessions.removeExpired(new Date());
    expect(await db.sessions.find(Buffer.alloc(32, 5))).to.equal(undefined);
    expect((await db.sessions.find(Buffer.alloc(32, 6)))?.userId).to.equal(user.id);
    await db.users.remove(user.id);
    expect((await db.users.find(user.id))?.email).to.equal('eve@example.com');
    const ask = async (password: string): Promise<boolean> =>
      db.users.askDeletion(user.id, { password, deleteLinks: false, now: new Date() });
    expect(await ask('y')).to.equal(false);
    expect((await db.sessions.find(Buffer.alloc(32, 6)))?.userId).to.equal(user.id);
    expect([await ask('x'), await ask('x')]).to.deep.equal([true, false]);
    expect(await db.sessions.find(Buffer.alloc(32, 6))).to.equal(undefined);
    await db.users.remove(user.id);
    expect(await db.users.create(newUser('eve@example.com'))).to.equal('created');
  });

  it('list all users in pages, oldest first', async () => {
    const ids: bigint[] = [];
    for await (const { id } of db.users.all()) ids.push(id);
    expect(ids).to.deep.equal(ids.toSorted((a, b) => (a < b ? -1 : 1)));
    expect(ids).to.have.length(3);
  });
});
