import { expect } from 'chai';
import { createConnection, type Connection } from 'mysql2/promise';
import { createApiKey, createToken } from '../../../mapper/auth/secrets.ts';
import { ranMs } from '../../ran-ms.ts';
import { ApiClient, problemKind } from '../api/api-client.ts';
import { PASSWORD, People, type Person } from '../api/people.ts';
import { send, type Answer } from '../client.ts';
import { createWorld, NO_LIMITS, type TestMapper, type World } from '../world.ts';

const PER_MINUTE = { ...NO_LIMITS.perMinute, 'bad-credential': 5 };
const LINK = { long_url: 'https://example.com/' };

describe('credentials that nobody knows', () => {
  let world: World;
  let mapper: TestMapper;
  let people: People;
  let ana: Person;
  let sql: Connection;
  let clients = 0;
  const api = new ApiClient(() => mapper.url);

  before(async function () {
    this.timeout(60_000);
    world = await createWorld({ keys: 200, hasUsers: true });
    const limits = { ...NO_LIMITS, perMinute: PER_MINUTE, trustedProxies: ['127.0.0.0/8'] };
    mapper = await world.start({ limits });
    people = new People(world.usersUrl);
    ana = await people.person();
    sql = await createConnection(world.usersUrl);
  });

  after(async function () {
    this.timeout(60_000);
    await sql.end();
    await people[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
  });

  /** The header of a client that has sent nothing yet. */
  function newClient(): Record<string, string> {
    clients += 1;
    return { 'x-forwarded-for': `198.51.100.${clients}` };
  }

  /**
   * How many keys and sessions are looked up in the users database during `work`. The counters of a server
   * count the polls of the mapper too, of which a slow machine does more.
   */
  async function lookupsDuring(work: () => Promise<void>): Promise<number> {
    await sql.query("SET GLOBAL log_output = 'TABLE'");
    await sql.query('TRUNCATE TABLE mysql.general_log');
    await sql.query('SET GLOBAL general_log = ON');
    try {
      await work();
    } finally {
      await sql.query('SET GLOBAL general_log = OFF');
    }
    const [rows] = await sql.query(
      `SELECT COUNT(*) AS lookups FROM mysql.general_log
         WHERE command_type <> 'Prepare' AND argument REGEXP 'FROM (api_keys|sessions) JOIN users'`,
    );
    return Number((rows as { lookups: number }[])[0]?.lookups);
  }

  const MADE_UP: readonly (readonly [what: string, () => { key?: string; cookie?: string }])[] = [
    ['API keys', () => ({ key: createApiKey().text })],
    ['sessions', () => ({ cookie: `keymill_session=${createToken().text}` })],
  ];
  for (const [what, makeUp] of MADE_UP)
    it(`${what}: beyond the limit of a client none is looked up, and the answer is 429`, async () => {
      const headers = newClient();
      const answers: Answer[] = [];
      const first = await lookupsDuring(async () => {
        for (let sent = 0; sent < 8; sent += 1)
          answers.push(await api.call('POST', '/urls', { ...makeUp(), headers, body: LINK }));
      });
      expect(answers.map(({ status }) => status)).to.deep.equal([401, 401, 401, 401, 401, 429, 429, 429]);
      const last = answers.at(-1) as Answer;
      expect(problemKind(last)).to.equal('too-many-requests');
      expect(last.headers).to.include({ 'ratelimit-policy': '"bad-credential";q=5;w=60' });
      expect(Number(last.headers['retry-after'])).to.be.within(1, 60);
      const more = await lookupsDuring(async () => {
        for (let sent = 0; sent < 100; sent += 1)
          await api.call('GET', '/users/me', { ...makeUp(), headers });
      });
      expect([first, more]).to.deep.equal([5, 0]);
    });

  it('sent all at the same time cost no more lookups than the limit', async () => {
    const headers = newClient();
    const answers = await Promise.all(
      Array.from({ length: 60 }, async () =>
        send('GET', `${mapper.url}/users/me`, {
          headers: { ...headers, authorization: `Bearer ${createApiKey().text}` },
        }),
      ),
    );
    const count = (status: number): number => answers.filter((answer) => answer.status === status).length;
    expect(count(401)).to.be.within(1, 5);
    expect(count(401) + count(429) + count(503)).to.equal(60);
  });

  it('refuse no key that is known, not even of the same client, and no new one of another client', async () => {
    const headers = newClient();
    const { key } = await people.key(ana, ['links:write']);
    const known = async (): Promise<number> => (await api.call('GET', '/urls', { key, headers })).status;
    expect(await known()).to.equal(200);
    for (let sent = 0; sent < 6; sent += 1)
      await api.call('GET', '/urls', { key: createApiKey().text, headers });
    expect(await known()).to.equal(200);
    // What was announced about the user makes the mapper ask again.
    const cookie = await people.session(ana);
    const other = await people.key(ana, ['account']);
    await api.call('DELETE', `/users/me/keys/${other.keyId}`, { cookie });
    expect(await known()).to.equal(200);
    const fresh = await people.key(ana, ['links:write']);
    expect((await api.call('GET', '/urls', { key: fresh.key, headers })).status).to.equal(429);
    expect((await api.call('GET', '/urls', { key: fresh.key, headers: newClient() })).status).to.equal(200);
  });

  it('let a client sign in, and make links without an account', async () => {
    const headers = newClient();
    for (let sent = 0; sent < 6; sent += 1)
      await api.call('GET', '/urls', { key: createApiKey().text, headers });
    const body = { email: ana.email, password: PASSWORD };
    expect((await api.call('POST', '/login', { headers, body })).status).to.equal(200);
    expect((await api.call('POST', '/urls', { headers, body: LINK })).status).to.equal(201);
  });

  it('of 8 connections that send nothing else leave room for sign-ins, good keys and links', async function () {
    this.timeout(60_000);
    const stopping = new AbortController();
    const attacks = Array.from({ length: 8 }, async () => attack(newClient(), stopping.signal));
    const slowestMs: Record<string, number> = {};
    const timed = async (name: string, wanted: number, work: () => Promise<Answer>): Promise<void> => {
      const startedAt = ranMs();
      const answer = await work();
      expect(answer.status, `${name}: ${answer.text}`).to.equal(wanted);
      slowestMs[name] = Math.max(slowestMs[name] ?? 0, ranMs() - startedAt);
    };
    const known = await people.key(ana, ['links:write']);
    const body = { email: ana.email, password: PASSWORD };
    try {
      for (let round = 0; round < 3; round += 1) {
        const headers = newClient();
        const fresh = await people.key(ana, ['links:write']);
        await timed('known key', 201, async () =>
          api.call('POST', '/urls', { key: known.key, headers, body: LINK }),
        );
        await timed('new key', 200, async () => api.call('GET', '/urls', { key: fresh.key, headers }));
        await timed('sign-in', 200, async () => api.call('POST', '/login', { headers, body }));
        await timed('no key', 201, async () => api.call('POST', '/urls', { headers, body: LINK }));
      }
    } finally {
      stopping.abort();
    }
    const sent = (await Promise.all(attacks)).reduce((sum, count) => sum + count, 0);
    const figures = `${sent} made up; slowest in ms: ${JSON.stringify(slowestMs)}`;
    expect(sent, figures).to.be.above(100);
    expect(Math.max(...Object.values(slowestMs)), figures).to.be.below(10_000);
  });

  /** Sends made-up keys until it is stopped. @returns how many */
  async function attack(headers: Record<string, string>, signal: AbortSignal): Promise<number> {
    let sent = 0;
    for (; !signal.aborted; sent += 1) {
      const authorization = `Bearer ${createApiKey().text}`;
      const { status } = await send('GET', `${mapper.url}/users/me`, {
        headers: { ...headers, authorization },
      });
      expect(status).to.be.oneOf([401, 429, 503]);
    }
    return sent;
  }
});
