import { connect } from 'node:net';
import { expect } from 'chai';
import { ADMIN_TOKEN } from '../admin-token.ts';
import { until } from '../until.ts';
import { People, type Person } from './api/people.ts';
import { send, sendRaw } from './client.ts';
import { comparable } from './comparable-answer.ts';
import { createWorld, NO_LIMITS, type TestMapper, type World } from './world.ts';

const PUBLIC_URL = 'https://go.example';

describe('a shorten with a key on the fast path', () => {
  let world: World;
  let mapper: TestMapper;
  let koa: TestMapper;
  let people: People;
  let ana: Person;
  let key: string;

  before(async function () {
    this.timeout(60_000);
    world = await createWorld({ keys: 1_000, hasUsers: true });
    mapper = await world.start({ publicUrl: PUBLIC_URL });
    koa = await world.start({ publicUrl: PUBLIC_URL, hasFastPaths: false });
    people = new People(world.usersUrl);
    ana = await people.person();
    ({ key } = await people.key(ana, ['links:create']));
    // From now on memory knows the key.
    for (const { url } of [mapper, koa]) expect(await status(url, BODY)).to.equal(201);
  });

  after(async function () {
    this.timeout(60_000);
    await people[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
  });

  const BODY = '{"long_url":"https://example.com/"}';

  function request(body: string, headers: readonly string[] = []): string {
    const length = Buffer.byteLength(body);
    const lines = [
      'POST /urls HTTP/1.1',
      'Host: go.example',
      `Authorization: Bearer ${key}`,
      'Content-Type: application/json',
      `Content-Length: ${length}`,
      ...headers,
    ];
    return `${lines.join('\r\n')}\r\n\r\n${body}`;
  }

  async function status(url: string, body: string): Promise<number> {
    const answer = await sendRaw(url, request(body, ['Connection: close']));
    return Number(answer.split(' ')[1]);
  }

  /** The cookie has another name where the public URL is https. */
  async function session(): Promise<string> {
    return (await people.session(ana)).replace('keymill_session', '__Host-keymill');
  }

  /** How many connections are served where. */
  async function servedBy(): Promise<{ front: number; node: number }> {
    const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };
    const { text } = await send('GET', `${mapper.adminUrl}/metrics`, { headers });
    const of = (name: string): number =>
      Number(
        new RegExp(`^keymill_http_connections\\{.*served_by="${name}".*\\} (\\d+)$`, 'm').exec(text)?.[1],
      );
    return { front: of('front'), node: of('node_http') };
  }

  /** Sends requests on one connection, each after the answer to the one before. */
  async function converseWith(
    requests: readonly string[],
    inspect: () => Promise<void>,
    between: () => Promise<void> = async () => undefined,
  ): Promise<string> {
    const { hostname, port } = new URL(mapper.url);
    const socket = connect(Number(port), hostname);
    let text = '';
    socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk));
    try {
      for (const [index, bytes] of requests.entries()) {
        if (index > 0) await between();
        socket.write(bytes);
        await until(
          'an answer',
          () => (text.match(/HTTP\/1\.1 201 /g) ?? []).length === index + 1 && text.endsWith('}'),
        );
      }
      await inspect();
    } finally {
      socket.destroy();
    }
    return text;
  }

  const BODIES: Readonly<Record<string, string>> = {
    'only a target': BODY,
    'an expiry': '{"long_url":"https://example.com/","expiration_date":"2030-01-01T00:00:00Z"}',
    'title and tags': '{"long_url":"https://example.com/","title":"Größe 💡","tags":["b","a","b"]}',
    'a title that is null': '{"long_url":"https://example.com/","title":null}',
    'no target': '{"title":"x"}',
    'a title that is a number': '{"long_url":"https://example.com/","title":1}',
    'a field that nobody knows': '{"long_url":"https://example.com/","colour":1}',
    'a field given twice': '{"long_url":"https://example.com/","title":"a","title":"b"}',
    'a target that is refused': '{"long_url":"http://127.0.0.1/"}',
    'no JSON': '{',
  };

  for (const [name, body] of Object.entries(BODIES))
    it(`answers in the same bytes as the slow path: ${name}`, async () => {
      const [fast, slow] = await Promise.all(
        [mapper, koa].map(async ({ url }) => {
          const answer = await sendRaw(url, request(body), '}');
          return comparable(answer).replace(/("updated_at":")[^"]+"/, '$1…"');
        }),
      );
      expect(fast).to.equal(slow);
    });

  it('stays at the front once memory knows the key, and the link has its owner', async () => {
    const text = await converseWith([request(BODY), request(BODY)], async () => {
      await until('the other connections to close', async () => (await servedBy()).node === 0);
      expect((await servedBy()).front).to.be.at.least(1);
    });
    const [, made = ''] = /"unique_id":"([^"]+)"/.exec(text) ?? [];
    const read = await send('GET', `${mapper.url}/urls/${made}`, {
      headers: { cookie: await session() },
    });
    expect(read.status).to.equal(200);
  });

  it('stays at the front when the mapper sees its key for the first time', async () => {
    const other = await people.key(ana, ['links:create']);
    const first = request(BODY).replace(key, other.key);
    await converseWith([first, first], async () => {
      await until('the other connections to close', async () => (await servedBy()).node === 0);
      expect((await servedBy()).front).to.be.at.least(1);
    });
  });

  it('stays at the front while the key is read again, because something about its owner has changed', async () => {
    const other = await people.key(ana, ['links:create']);
    const forgetAll = async (): Promise<void> => {
      const headers = { cookie: await session() };
      const { status: revoked } = await send('DELETE', `${mapper.url}/users/me/keys/${other.keyId}`, {
        headers,
      });
      expect(revoked).to.equal(204);
    };
    const text = await converseWith(
      [request(BODY), request(BODY)],
      async () => {
        await until('the other connections to close', async () => (await servedBy()).node === 0);
        expect((await servedBy()).front).to.be.at.least(1);
      },
      forgetAll,
    );
    expect(text.match(/HTTP\/1\.1 201 /g)).to.have.length(2);
  });

  it('is answered by the slow path, with the requests behind it, when the key that is read again is revoked', async () => {
    const own = await people.key(ana, ['links:create']);
    const asked = request(BODY).replace(key, own.key);
    expect((await sendRaw(mapper.url, asked, '}')).slice(0, 12)).to.equal('HTTP/1.1 201');
    const headers = { cookie: await session() };
    await send('DELETE', `${mapper.url}/users/me/keys/${own.keyId}`, { headers });
    const answers = await sendRaw(mapper.url, asked + asked.replace('\r\n', '\r\nConnection: close\r\n'));
    expect(answers.match(/HTTP\/1\.1 \d+/g)).to.deep.equal(['HTTP/1.1 401', 'HTTP/1.1 401']);
  });

  it('is answered by the slow path when the key is bad or lacks the scope', async () => {
    const sent = async (used: string): Promise<number> => {
      const answer = await sendRaw(mapper.url, request(BODY, ['Connection: close']).replace(key, used));
      return Number(answer.split(' ')[1]);
    };
    const [reader, maker] = [await people.key(ana, ['links:read']), await people.key(ana, ['links:write'])];
    for (let time = 0; time < 2; time += 1) {
      expect(await sent(`${key.slice(0, -1)}${key.endsWith('a') ? 'b' : 'a'}`)).to.equal(401);
      expect(await sent(reader.key)).to.equal(403);
      expect(await sent(maker.key)).to.equal(201);
    }
  });

  it('counts for its key, with the same bytes as on the slow path', async () => {
    const limits = {
      ...NO_LIMITS,
      perMinute: { ...NO_LIMITS.perMinute, anonymous: 1, key: 4 },
      trustedProxies: ['127.0.0.0/8'],
    };
    const answers: string[][] = [];
    for (const hasFastPaths of [true, false]) {
      const { url } = await world.start({ publicUrl: PUBLIC_URL, limits, hasFastPaths });
      const seen: string[] = [];
      for (let time = 0; time < 6; time += 1) {
        const answer = await sendRaw(url, request(BODY, ['X-Forwarded-For: 198.51.100.1']), '}');
        seen.push(comparable(answer).replaceAll(/(;t=|Retry-After: )\d+/g, '$1…'));
      }
      answers.push(seen);
    }
    const [fast = [], slow] = answers;
    expect(fast).to.deep.equal(slow);
    const statuses = fast.map((answer) => answer.split(' ')[1]);
    expect(statuses).to.deep.equal(['201', '201', '201', '201', '429', '429']);
    expect(fast[3]).to.include('RateLimit: "key";r=0;');
  });

  it('ends within a second of the revocation', async () => {
    const own = await people.key(ana, ['links:create']);
    const cookie = await session();
    const sent = async (): Promise<string> =>
      (await sendRaw(mapper.url, request(BODY).replace(key, own.key), '}')).slice(0, 12);
    expect(await sent()).to.equal('HTTP/1.1 201');
    expect(await sent()).to.equal('HTTP/1.1 201');
    const revoked = await send('DELETE', `${koa.url}/users/me/keys/${own.keyId}`, {
      headers: { cookie },
    });
    expect(revoked.status, revoked.text).to.equal(204);
    expect(await sent()).to.equal('HTTP/1.1 401');
  });
});
