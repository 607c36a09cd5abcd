import { expect } from 'chai';
import { expectProblem, send, shorten, type Answer } from '../client.ts';
import { createWorld, type TestMapper, type World } from '../world.ts';

const JSON_HEADERS = { 'content-type': 'application/json' };
const PASSWORD = 'a good long password';

describe('accounts', () => {
  let world: World;
  let mapper: TestMapper;

  before(async function () {
    this.timeout(60_000);
    world = await createWorld({ keys: 100, hasUsers: true });
    mapper = await world.start();
  });

  after(async function () {
    this.timeout(20_000);
    await world[Symbol.asyncDispose]();
  });

  async function call(method: string, path: string, body?: unknown, headers = {}): Promise<Answer> {
    return send(method, mapper.url + path, {
      headers: { ...(body === undefined ? {} : JSON_HEADERS), ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  }

  it('sign up, sign in, make a key, and use it', async () => {
    const made = await call('POST', '/users', { email: 'Ana@Example.com', password: PASSWORD });
    expect(made.status, made.text).to.equal(201);
    expect(made.json()).to.include({ email: 'ana@example.com', is_admin: false });
    const signedIn = await call('POST', '/login', { email: 'ana@example.com', password: PASSWORD });
    expect(signedIn.status, signedIn.text).to.equal(200);
    const cookie = String(signedIn.headers['set-cookie']?.[0]).split(';')[0] ?? '';
    const me = await call('GET', '/users/me', undefined, { cookie });
    expect(me.json()).to.deep.equal(made.json());
    const key = await call('POST', '/users/me/keys', { name: 'one', scopes: ['links:write'] }, { cookie });
    expect(key.status, key.text).to.equal(201);
    const authorization = `Bearer ${String(key.json()['secret'])}`;
    expectProblem(await call('GET', '/users/me', undefined, { authorization }), 403);
    const link = await shorten(mapper.url, { long_url: 'https://example.com/' }, { authorization });
    expect(link.status, link.text).to.equal(201);
    const [owner] = await Promise.all(
      world.urls.map(async ({ sql }) => {
        const [rows] = await sql.query('SELECT CAST(user_id AS CHAR) AS id FROM urls WHERE unique_id = ?', [
          link.json()['unique_id'],
        ]);
        return (rows as { id: string }[])[0]?.id;
      }),
    ).then((ids) => ids.filter((id) => id !== undefined));
    expect(owner).to.equal(made.json()['user_id']);
  });
});
