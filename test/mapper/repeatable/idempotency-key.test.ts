import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { PasswordProcess } from '../../../mapper/auth/password-process.ts';
import { beforeEnd } from '../../before-end.ts';
import { until } from '../../until.ts';
import { problemKind } from '../api/api-client.ts';
import { useApi } from '../api/use-api.ts';
import { sendRaw, type Answer } from '../client.ts';
import { NO_LIMITS } from '../world.ts';
import { counterOf } from './counters.ts';

type Run = (
  this: PasswordProcess,
  ...task: Parameters<PasswordProcess['run']>
) => ReturnType<PasswordProcess['run']>;

function newTarget(): string {
  return `https://example.com/${randomUUID()}`;
}

function keyOf(answer: Answer): string {
  return String(answer.json()['unique_id']);
}

/** Everything of an answer that a repetition must give again. */
function repeatable({ status, headers, text }: Answer): object {
  const { location, 'cache-control': cache, 'content-type': type } = headers;
  return { status, text, location, cache, type };
}

function isReplayed({ headers }: Answer): boolean {
  return headers['idempotency-replayed'] === 'true';
}

describe('an Idempotency-Key', () => {
  const fixture = useApi({ keys: 400 });
  const { api } = fixture;

  async function make(
    idempotencyKey: string,
    body: object,
    sender: { cookie?: string; headers?: Record<string, string> } = {},
  ): Promise<Answer> {
    const headers = { ...sender.headers, 'idempotency-key': idempotencyKey };
    return api.call('POST', '/urls', { ...sender, body, headers });
  }

  async function session(): Promise<string> {
    const { people } = fixture;
    return people.session(await people.person());
  }

  /** The second answer is the first one, given again. */
  function expectReplay(first: Answer, again: Answer): void {
    expect(repeatable(again)).to.deep.equal(repeatable(first));
    expect([isReplayed(first), isReplayed(again)]).to.deep.equal([false, true]);
  }

  it('gets the same answer again: a whole link, a link with an alias, and one that nobody owns', async () => {
    const cookie = await session();
    const requests: [object, { cookie?: string }][] = [
      [{ long_url: newTarget() }, {}],
      [{ long_url: newTarget(), custom_alias: `-${randomUUID().slice(0, 13)}` }, {}],
      [{ long_url: newTarget(), title: 'Ä 🚀', tags: ['b', 'a'] }, { cookie }],
      [{ long_url: newTarget(), expiration_date: '2999-01-01T00:00:00+01:00' }, { cookie }],
    ];
    for (const [body, sender] of requests) {
      const name = randomUUID();
      const first = await make(name, body, sender);
      expect(first.status, first.text).to.equal(201);
      for (let again = 0; again < 2; again += 1) expectReplay(first, await make(name, body, sender));
      const followed = await api.call('GET', `/${keyOf(first)}`);
      expect(followed.status).to.equal(302);
    }
  });

  it('stores no password, and does not hash it again', async () => {
    const [name, body] = [randomUUID(), { long_url: newTarget(), password: 'a secret word' }];
    const first = await make(name, body);
    expect(first.json()).to.include({ has_password: true });
    expectReplay(first, await make(name, body));
    for (const { sql } of fixture.world.urls) {
      const [rows] = await sql.query('SELECT rules FROM urls WHERE unique_id = ?', [keyOf(first)]);
      for (const { rules } of rows as { rules: string }[])
        expect(JSON.parse(rules)).to.have.property('passwordHash').that.matches(/^\$/);
    }
  });

  it('is waited for when the hash of its password takes long', async () => {
    const run: Run = Reflect.get(PasswordProcess.prototype, 'run');
    PasswordProcess.prototype.run = async function (task) {
      await delay(4_500);
      return run.call(this, task);
    };
    try {
      const body = { long_url: newTarget(), password: 'a secret word' };
      const [keyed, found] = await Promise.all([
        make(randomUUID(), body),
        api.call('POST', '/urls', { body: { ...body, find_if_exists: true } }),
      ]);
      expect([keyed.status, found.status], keyed.text).to.deep.equal([201, 201]);
    } finally {
      PasswordProcess.prototype.run = run;
    }
  });

  it('gets the same answer after the link was changed, and after it was deleted', async () => {
    const cookie = await session();
    const body = { long_url: newTarget(), title: 'First' };
    const name = randomUUID();
    const first = await make(name, body, { cookie });
    const path = `/urls/${keyOf(first)}`;
    await api.call('PATCH', path, {
      cookie,
      body: { long_url: newTarget(), title: 'Second', disabled: true },
    });
    expectReplay(first, await make(name, body, { cookie }));
    await api.call('DELETE', path, { cookie });
    expectReplay(first, await make(name, body, { cookie }));
    expect((await api.call('GET', '/urls?state=all', { cookie })).json()['items']).to.have.length(1);
  });

  it('gets its 409 again, also when the alias was deleted meanwhile', async () => {
    const cookie = await session();
    const custom_alias = `alias-${randomUUID().slice(0, 13)}`;
    await api.call('POST', '/urls', { cookie, body: { long_url: newTarget(), custom_alias } });
    const [name, body] = [randomUUID(), { long_url: newTarget(), custom_alias }];
    const first = await make(name, body, { cookie });
    expect([first.status, problemKind(first)]).to.deep.equal([409, 'alias-taken']);
    expectReplay(first, await make(name, body, { cookie }));
    await api.call('DELETE', `/urls/${custom_alias}`, { cookie });
    expectReplay(first, await make(name, body, { cookie }));
  });

  it('compares bodies, and not how they are written', async () => {
    const cookie = await session();
    const long_url = newTarget();
    const name = randomUUID();
    const first = await make(name, { long_url, title: 'A' }, { cookie });
    const spelled = Buffer.from(`  {"title":"\\u0041", "long_url" : ${JSON.stringify(long_url)}}`);
    const headers = { 'idempotency-key': name };
    expectReplay(first, await api.call('POST', '/urls', { cookie, body: spelled, headers }));
  });

  it('is refused with another body of the same user, and of nobody it is another request', async () => {
    const [cookie, other] = [await session(), await session()];
    const name = randomUUID();
    const body = { long_url: newTarget() };
    const made = [
      await make(name, body),
      await make(name, body, { cookie }),
      await make(name, body, { cookie: other }),
    ];
    for (const changed of [{ long_url: newTarget() }, { ...body, title: null }, { ...body, tags: ['a'] }]) {
      const refused = await make(name, changed, { cookie });
      expect([refused.status, problemKind(refused)]).to.deep.equal([422, 'idempotency-key-reused']);
      expect(refused.json()['errors']).to.deep.equal([
        { field: 'Idempotency-Key', reason: 'was sent with another body before' },
      ]);
    }
    made.push(await make(name, { ...body, custom_alias: null }), await make(name, { long_url: newTarget() }));
    expect(made.map(({ status }) => status)).to.deep.equal([201, 201, 201, 201, 201]);
    expect(new Set(made.map(keyOf)).size).to.equal(5);
  });

  it('is the same for a session and an API key of one user', async () => {
    const { people } = fixture;
    const person = await people.person();
    const { key } = await people.key(person, ['links:create']);
    const [name, body] = [randomUUID(), { long_url: newTarget() }];
    const first = await make(name, body, { cookie: await people.session(person) });
    const headers = { authorization: `Bearer ${key}` };
    expectReplay(first, await make(name, body, { headers }));
  });

  it('remembers no refusal of a field, and no problem of a store', async () => {
    const name = randomUUID();
    const cookie = await session();
    const refused = await make(name, { long_url: 'ftp://a.example/' }, { cookie });
    expect([refused.status, isReplayed(refused)]).to.deep.equal([422, false]);
    const past = await make(
      name,
      { long_url: newTarget(), expiration_date: '2020-01-01T00:00:00Z' },
      { cookie },
    );
    expect([past.status, isReplayed(past)]).to.deep.equal([422, false]);
    expect((await make(name, { long_url: newTarget() }, { cookie })).status).to.equal(201);
  });

  it('gets its answer also when the expiry has passed', async () => {
    const { result } = await beforeEnd(1_000, async (end) => {
      const made = {
        name: randomUUID(),
        body: { long_url: newTarget(), expiration_date: end.toISOString() },
      };
      const answer = await make(made.name, made.body);
      expect(answer.status).to.equal(201);
      return { ...made, first: answer };
    });
    const { name, body, first } = result;
    await until('the link to expire', async () => (await api.call('GET', `/${keyOf(first)}`)).status === 410);
    expectReplay(first, await make(name, body));
    const other = await make(randomUUID(), body);
    expect([other.status, other.json()['errors']]).to.deep.equal([
      422,
      [{ field: 'expiration_date', reason: 'is in the past' }],
    ]);
  });

  it('says the same for each spelling of a body that asks for find_if_exists too', async () => {
    const cookie = await session();
    const fields = { long_url: newTarget(), find_if_exists: true };
    const [one, two] = [randomUUID(), randomUUID()];
    const first = await make(one, fields, { cookie });
    expect(first.status).to.equal(201);
    const found = await make(two, fields, { cookie });
    expect([found.status, keyOf(found), isReplayed(found)]).to.deep.equal([200, keyOf(first), false]);
    expectReplay(first, await make(one, fields, { cookie }));
    expectReplay(found, await make(two, fields, { cookie }));
    await api.call('DELETE', `/urls/${keyOf(first)}`, { cookie });
    expectReplay(first, await make(one, fields, { cookie }));
    expectReplay(found, await make(two, fields, { cookie }));
    const next = await make(randomUUID(), fields, { cookie });
    expect([next.status, keyOf(next) === keyOf(first)]).to.deep.equal([201, false]);
  });

  it('with find_if_exists remembers that the alias was taken', async () => {
    const custom_alias = `alias-${randomUUID().slice(0, 13)}`;
    await api.call('POST', '/urls', { body: { long_url: newTarget(), custom_alias } });
    const body = { long_url: newTarget(), custom_alias, find_if_exists: true };
    const name = randomUUID();
    const first = await make(name, body);
    expect(first.status, first.text).to.equal(409);
    expectReplay(first, await make(name, body));
  });

  it('has 1 to 255 printable characters, and is there once', async () => {
    const body = `{"long_url":"${newTarget()}"}`;
    const post = async (lines: string): Promise<string> =>
      sendRaw(
        fixture.mapper.url,
        Buffer.from(
          `POST /urls HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n${lines}\r\nConnection: close\r\n\r\n${body}`,
          'latin1',
        ),
      );
    const reasonOf = (text: string): string | undefined =>
      /"field":"Idempotency-Key","reason":"([^"]*)"/.exec(text)?.[1];
    for (const good of ['a', '"8e03978e-40d5-43e8-bc93-6894a57f9324"', 'a b', '~'.repeat(255), '{}:;,="\\'])
      expect(await post(`Idempotency-Key: ${good}`), good).to.match(/^HTTP\/1\.1 201 /);
    for (const bad of ['', ' ', 'a'.repeat(256), 'ü', 'a\tb', '\u00a0', '\u0080']) {
      const text = await post(`Idempotency-Key: ${bad}`);
      expect(text, bad).to.match(/^HTTP\/1\.1 422 /);
      expect(reasonOf(text)).to.equal('must be 1 to 255 printable ASCII characters');
    }
    for (const twice of [
      'Idempotency-Key: a\r\nidempotency-key: a',
      'Idempotency-Key: a\r\nIdempotency-Key:',
    ]) {
      const text = await post(twice);
      expect(text, twice).to.match(/^HTTP\/1\.1 422 /);
      expect(reasonOf(text)).to.equal('is given more than once');
    }
  });

  it('is another one with blanks inside, or other letters', async () => {
    const body = { long_url: newTarget() };
    const cookie = await session();
    const made = [];
    for (const name of ['a b', 'a  b', 'A b', 'a,b', 'a, b']) made.push(await make(name, body, { cookie }));
    expect(made.map(isReplayed)).to.deep.equal(made.map(() => false));
    expect(new Set(made.map(keyOf)).size).to.equal(made.length);
  });

  it('counts a repetition as a request, for the limits and in the metrics', async () => {
    const perMinute = { ...NO_LIMITS.perMinute, anonymous: 3 };
    const strict = await fixture.world.start({ limits: { ...NO_LIMITS, perMinute, loopback: true } });
    const [name, body] = [randomUUID(), JSON.stringify({ long_url: newTarget() })];
    const post = `POST /urls HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nIdempotency-Key: ${name}\r\nContent-Length: ${body.length}\r\n`;
    const statuses: string[] = [];
    for (let request = 0; request < 4; request += 1) {
      const text = await sendRaw(strict.url, `${post}Connection: close\r\n\r\n${body}`);
      statuses.push(text.slice(9, 12));
      expect(text).to.include(`RateLimit: "anonymous";r=${Math.max(0, 2 - request)};t=`);
    }
    expect(statuses).to.deep.equal(['201', '201', '201', '429']);
    const shortens = await counterOf(strict.adminUrl, 'shortens_total');
    const counted = ['created', 'replayed', 'limited'].map((result) => shortens(`result="${result}"`));
    expect(counted).to.deep.equal([1, 2, 1]);
    await strict.stop();
  });
});
