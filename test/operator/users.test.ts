import { expect } from 'chai';
import { migrate } from '../../db/mysql/migrate.ts';
import { createLog } from '../../runtime/log.ts';
import { expectProblem, send, type Answer } from '../mapper/client.ts';
import { createWorld, type TestMapper, type World } from '../mapper/world.ts';
import { ApiClient } from '../mapper/api/api-client.ts';
import { PASSWORD, People } from '../mapper/api/people.ts';
import { testDatabase } from '../servers.ts';
import { ranMs } from '../ran-ms.ts';
import { until } from '../until.ts';
import { runKeymill, type Outcome } from './run-keymill.ts';

interface Printed {
  readonly user: { readonly email: string; readonly admin: boolean; readonly state: string };
  readonly link: string;
  readonly validUntil: string;
  readonly notified: readonly string[];
  readonly revokedKeys: number;
}

describe('keymill users', () => {
  let world: World;
  let mapper: TestMapper;
  let people: People;
  let env: Record<string, string>;
  const api = new ApiClient(() => mapper.url);

  before(async function () {
    this.timeout(60_000);
    world = await createWorld({ keys: 20, hasUsers: true });
    mapper = await world.start({ signup: 'closed' });
    people = new People(world.usersUrl);
    env = {
      KEYMILL_ZOOKEEPER: '127.0.0.1:1',
      KEYMILL_REDIS: world.redis.map(({ name, url }) => `${name}=${url}`).join(','),
      KEYMILL_KEYS_DBS: 'keys-db-1=mysql://nobody:x@127.0.0.1:1/keys',
      KEYMILL_URLS_DBS: 'urls-1:0-31=mysql://nobody:x@127.0.0.1:1/urls',
      KEYMILL_KEY_SECRET: 'a secret for tests',
      KEYMILL_USERS_DB: world.usersUrl,
      KEYMILL_PUBLIC_URL: mapper.url,
    };
  });

  after(async function () {
    this.timeout(20_000);
    await people[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
  });

  async function run(...args: string[]): Promise<Outcome> {
    return runKeymill(['users', ...args], env);
  }

  async function printed(...args: string[]): Promise<Printed> {
    const { exitCode, stdout, stderr } = await run(...args, '--json');
    expect(exitCode, stderr).to.equal(0);
    return JSON.parse(stdout) as Printed;
  }

  async function choose(link: string): Promise<Answer> {
    const token = new URL(link).searchParams.get('token');
    return api.call('POST', '/users/reset', { body: { token, new: PASSWORD } });
  }

  it('add makes the first administrator, who chooses a password with the link, once', async () => {
    const { user, link, validUntil } = await printed('add', 'Root@Example.com', '--admin');
    expect(user).to.include({ email: 'root@example.com', admin: true, state: 'active' });
    expect(Date.parse(validUntil) - Date.now()).to.be.within(3_500_000, 3_600_000);
    const body = { email: 'root@example.com', password: PASSWORD };
    expectProblem(await api.call('POST', '/login', { body }), 401);
    expect((await choose(link)).status).to.equal(204);
    expectProblem(await choose(link), 422);
    expect((await api.call('POST', '/login', { body })).json()['is_admin']).to.equal(true);
    const again = await run('add', 'root@example.com');
    expect(again).to.include({ exitCode: 1, stdout: '' });
    expect(again.stderr).to.include('there is an account with the email root@example.com already');
  });

  it('reset prints a link that ends the ones before', async () => {
    const { email } = await people.person();
    const first = await printed('reset', email);
    const { stdout } = await run('reset', email);
    const [, second = ''] = /(http\S+)/.exec(stdout) ?? [];
    expect(second).to.match(new RegExp(`^${mapper.url}/users/reset\\?token=[\\w-]{43}$`));
    expectProblem(await choose(first.link), 422);
    expect((await choose(second)).status).to.equal(204);
  });

  it('reset --revoke-keys ends everything with which somebody may have taken an account over', async () => {
    const ana = await people.person();
    const body = { email: ana.email, password: PASSWORD };
    const [{ key }, other, cookie] = [
      await people.key(ana, ['account']),
      await people.key(ana, ['account']),
      await people.session(ana),
    ];
    const earlier = await printed('reset', ana.email);
    const me = async (by: { key?: string; cookie?: string }): Promise<number> =>
      (await api.call('GET', '/users/me', by)).status;
    expect([await me({ key }), await me({ key: other.key }), await me({ cookie })]).to.deep.equal([
      200, 200, 200,
    ]);
    const { link, revokedKeys, notified } = await printed('reset', ana.email, '--revoke-keys');
    expect([revokedKeys, notified]).to.deep.equal([2, ['redis-1', 'redis-2']]);
    const refused = async (by: object): Promise<boolean> => (await me(by)) === 401;
    for (const by of [{ key }, { key: other.key }, { cookie }])
      await until('the mapper to refuse it', async () => refused(by), { timeoutMs: 1_000, clock: ranMs });
    expectProblem(await api.call('POST', '/login', { body }), 401);
    expectProblem(await choose(earlier.link), 422);
    expect((await choose(link)).status).to.equal(204);
    expect((await api.call('POST', '/login', { body })).status).to.equal(200);
    expect(await me({ key })).to.equal(401);
    const { stdout } = await run('reset', ana.email, '--revoke-keys');
    expect(stdout).to.include(`API keys of ${ana.email} that were revoked: 0. All sessions`);
    expect(stdout).to.match(/\/users\/reset\?token=[\w-]{43}\n$/);
  });

  it('list shows every account', async () => {
    const ana = await people.person({ isAdmin: true });
    const gone = await people.person();
    await people.delete(gone);
    const { stdout } = await run('list', '--json');
    const { users } = JSON.parse(stdout) as { users: { id: string; email: string; state: string }[] };
    expect(users.map(({ email }) => email)).to.include.members([ana.email, gone.email]);
    expect(users.find(({ id }) => id === String(gone.id))?.state).to.equal('deleted');
    expect((await run('list')).stdout).to.match(new RegExp(`${ana.email} +${ana.id} +yes +active +20`));
  });

  it('disable is heard by every mapper; --undo too', async () => {
    const ana = await people.person();
    const { key } = await people.key(ana, ['account']);
    expect((await api.call('GET', '/users/me', { key })).status).to.equal(200);
    const { user, notified } = await printed('disable', ana.email);
    expect([user.state, notified]).to.deep.equal(['disabled', ['redis-1', 'redis-2']]);
    // The command does not wait until the mappers have heard it.
    const status = async (): Promise<number> => (await api.call('GET', '/users/me', { key })).status;
    await until('the mapper to refuse the key', async () => (await status()) === 401, {
      timeoutMs: 1_000,
      clock: ranMs,
    });
    expect((await run('disable', ana.email, '--undo')).stdout).to.equal(`${ana.email} is active again\n`);
    await until('the mapper to accept the key', async () => (await status()) === 200, {
      timeoutMs: 1_000,
      clock: ranMs,
    });
  });

  it('refuses what is no email, an unknown one, and a cluster without users', async () => {
    const wrong = await run('reset', 'ana');
    expect([wrong.exitCode, wrong.stderr]).to.deep.equal([
      2,
      'keymill: the email "ana" must be an email address, such as ana@example.com\n',
    ]);
    const unknown = await run('disable', 'nobody@example.com');
    expect([unknown.exitCode, unknown.stderr]).to.deep.equal([
      1,
      'keymill: there is no account with the email nobody@example.com\n',
    ]);
    const { KEYMILL_USERS_DB: _, ...without } = env;
    expect((await runKeymill(['users', 'list'], without)).stderr).to.include('set KEYMILL_USERS_DB');
    const empty = { ...env, KEYMILL_USERS_DB: await testDatabase('users') };
    expect(await runKeymill(['users', 'list'], empty)).to.include({ exitCode: 2 });
    await migrate(empty.KEYMILL_USERS_DB, 'users', createLog('test', 'users', 'silent'));
    expect(await runKeymill(['users', 'list'], empty)).to.include({ exitCode: 0 });
  });

  it('says in its help what each command does', async () => {
    for (const name of ['add', 'list', 'reset', 'disable'])
      expect((await run(name, '--help')).stdout).to.include('--json');
    expect((await run('reset', '--help')).stdout).to.include('--revoke-keys');
    expect((await send('GET', `${mapper.url}/users`)).status).to.equal(405);
  });
});
