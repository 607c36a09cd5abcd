import { expect } from 'chai';
import { createConnection, type Connection } from 'mysql2/promise';
import { createToken } from '../../../mapper/auth/secrets.ts';
import { until } from '../../until.ts';
import { expectProblem, type Answer } from '../client.ts';
import { createWorld, type TestMapper, type World } from '../world.ts';
import { ApiClient } from './api-client.ts';
import { PASSWORD, People, type Person } from './people.ts';

/** Each compares the current password before any of them writes: all comparisons wait in one queue first. */
describe('changes of one account at the same time', () => {
  let world: World;
  let mapper: TestMapper;
  let people: People;
  let sql: Connection;
  let ana: Person;
  const api = new ApiClient(() => mapper.url);

  before(async function () {
    this.timeout(60_000);
    world = await createWorld({ keys: 20, hasUsers: true });
    mapper = await world.start();
    people = new People(world.usersUrl);
    sql = await createConnection(world.usersUrl);
  });

  after(async function () {
    this.timeout(60_000);
    await sql.end();
    await people[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
  });

  beforeEach(async () => {
    ana = await people.person();
  });

  async function change(cookie: string, next: string): Promise<Answer> {
    return api.call('POST', '/users/me/password', { cookie, body: { current: PASSWORD, new: next } });
  }

  async function signIn(password: string): Promise<number> {
    return (await api.call('POST', '/login', { body: { email: ana.email, password } })).status;
  }

  async function resetToken(): Promise<string> {
    const { text, hash } = createToken();
    await people.db.resets.create(hash, ana.id, new Date(), new Date(Date.now() + 60_000));
    return text;
  }

  it('of the password: one wins, and the others are told that theirs is wrong', async () => {
    const cookies = [await people.session(ana), await people.session(ana), await people.session(ana)];
    const passwords = ['the first new one', 'the second new one', 'the third new one'];
    const answers = await Promise.all(cookies.map(async (cookie, i) => change(cookie, passwords[i] ?? '')));
    expect(answers.map(({ status }) => status)).to.have.members([204, 422, 422]);
    for (const [i, answer] of answers.entries()) {
      expect(await signIn(passwords[i] ?? '')).to.equal(answer.status === 204 ? 200 : 401);
      if (answer.status === 422)
        expect(expectProblem(answer, 422)).to.deep.equal([{ field: 'current', reason: 'is wrong' }]);
    }
  });

  it('a new password by an operator and one by the owner: one wins', async () => {
    const token = await resetToken();
    const cookie = await people.session(ana);
    const [changed, reset] = await Promise.all([
      change(cookie, 'chosen by the owner'),
      api.call('POST', '/users/reset', { body: { token, new: 'chosen by the link' } }),
    ]);
    expect([changed.status, reset.status]).to.have.members([204, 422]);
    expect(await signIn('chosen by the owner')).to.equal(changed.status === 204 ? 200 : 401);
    expect(await signIn('chosen by the link')).to.equal(reset.status === 204 ? 200 : 401);
  });

  it('a new password and the deletion of the account: one wins', async () => {
    const cookies = [await people.session(ana), await people.session(ana)];
    const [changed, deleted] = await Promise.all([
      change(cookies[0] ?? '', 'the first new one'),
      api.call('DELETE', '/users/me', { cookie: cookies[1] ?? '', body: { password: PASSWORD } }),
    ]);
    const isChanged = changed.status === 204;
    expect(isChanged).not.to.equal(deleted.status === 204);
    expect(isChanged ? deleted.status : changed.status).to.be.oneOf([401, 422]);
    expect(await signIn('the first new one')).to.equal(isChanged ? 200 : 401);
  });

  it('a password link is good until the new password is stored', async function () {
    this.timeout(60_000);
    const token = await resetToken();
    const reset = async (): Promise<Answer> =>
      api.call('POST', '/users/reset', { body: { token, new: 'chosen by the link' } });
    await sql.beginTransaction();
    await sql.query('SELECT 1 FROM users WHERE user_id = ? FOR UPDATE', [ana.id]);
    try {
      expectProblem(await reset(), 503);
    } finally {
      await sql.rollback();
    }
    expect(await signIn(PASSWORD)).to.equal(200);
    expect((await reset()).status).to.equal(204);
    expect(await signIn('chosen by the link')).to.equal(200);
    expectProblem(await reset(), 422);
  });

  it('of different names: none is lost', async () => {
    const cookie = await people.session(ana);
    for (let round = 0; round < 10; round += 1) {
      const [first, last] = [`First ${round}`, `Last ${round}`];
      await Promise.all([
        api.call('PATCH', '/users/me', { cookie, body: { first_name: first } }),
        api.call('PATCH', '/users/me', { cookie, body: { last_name: last } }),
      ]);
      const me = (await api.call('GET', '/users/me', { cookie })).json();
      expect([me['first_name'], me['last_name']]).to.deep.equal([first, last]);
    }
  });

  it('beside a sign-in with the old password: its session does not outlive the change', async () => {
    await sql.query('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED');
    await sql.beginTransaction();
    await sql.query("UPDATE users SET password = 'another' WHERE user_id = ?", [ana.id]);
    await sql.query('DELETE FROM sessions WHERE user_id = ?', [ana.id]);
    let status: number | undefined;
    const signingIn = signIn(PASSWORD).then((answered) => (status = answered));
    await until('the session waits for the change', async () => {
      const [rows] = await sql.query(
        "SELECT id FROM information_schema.PROCESSLIST WHERE info LIKE 'INSERT INTO sessions%' AND time_ms > 50",
      );
      return status !== undefined || (rows as unknown[]).length > 0;
    });
    await sql.commit();
    await signingIn;
    expect(status).to.equal(401);
    const [rows] = await sql.query('SELECT user_id FROM sessions WHERE user_id = ?', [ana.id]);
    expect(rows).to.have.length(0);
  });
});
