import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { send, sendRaw, shorten, type Answer } from './client.ts';
import { createWorld, type TestMapper, type World } from './world.ts';

describe('the public and the admin port', () => {
  let world: World;
  let mapper: TestMapper;

  before(async function () {
    this.timeout(60_000);
    world = await createWorld({ keys: 500 });
    mapper = await world.start({ publicUrl: 'https://go.example' });
    await shorten(mapper.url, { long_url: 'https://example.com/', custom_alias: 'followed' });
    await follow('followed');
  });

  after(async function () {
    this.timeout(60_000);
    await world[Symbol.asyncDispose]();
  });

  async function follow(key: string, method = 'GET'): Promise<Answer> {
    return send(method, `${mapper.url}/${key}`);
  }

  describe('methods, headers and malformed requests', () => {
    const WRONG: readonly (readonly [string, string, string])[] = [
      ['PUT', 'urls', 'GET, HEAD, POST'],
      ['OPTIONS', 'urls', 'GET, HEAD, POST'],
      ['POST', 'abcdefgh', 'GET, HEAD'],
      ['DELETE', 'abcdefgh', 'GET, HEAD'],
      ['PATCH', 'abcdefgh', 'GET, HEAD'],
      ['OPTIONS', 'abcdefgh', 'GET, HEAD'],
      ['TRACE', 'abcdefgh', 'GET, HEAD'],
    ];
    for (const [method, path, allow] of WRONG) {
      it(`answers 405 to ${method} /${path} and allows ${allow}`, async () => {
        const answer = await follow(path, method);
        expect(answer.status).to.equal(405);
        expect(answer.headers.allow).to.equal(allow);
      });
    }

    it('gives every answer a request id, the caller’s if it is harmless', async () => {
      const own = await follow('abcdefgh');
      expect(own.headers['x-request-id']).to.match(/^[0-9a-f-]{36}$/);
      const given = await send('GET', `${mapper.url}/abcdefgh`, {
        headers: { 'x-request-id': 'trace/42:a' },
      });
      expect(given.headers['x-request-id']).to.equal('trace/42:a');
      const nasty = await send('GET', `${mapper.url}/abcdefgh`, { headers: { 'x-request-id': 'a b"{}' } });
      expect(nasty.headers['x-request-id']).to.match(/^[0-9a-f-]{36}$/);
    });

    it('gives request ids that tell nobody how much traffic there is', async () => {
      const ids: string[] = [];
      for (let request = 0; request < 20; request += 1)
        ids.push(String((await follow('abcdefgh')).headers['x-request-id']));
      for (const part of [ids.map((id) => id.slice(0, 8)), ids.map((id) => id.slice(-8))])
        expect(new Set(part).size, part.join(' ')).to.equal(ids.length);
      expect(ids.toSorted()).not.to.deep.equal(ids);
    });

    it('does not let Host or forwarding headers decide what a short link looks like', async () => {
      const headers = {
        host: 'evil.example',
        'x-forwarded-host': 'evil.example',
        forwarded: 'host=evil.example',
      };
      const answer = await shorten(mapper.url, { long_url: 'https://example.com/' }, headers);
      expect(answer.json()['short_url']).to.match(/^https:\/\/go\.example\//);
    });

    const BROKEN: Readonly<Record<string, readonly [string, number]>> = {
      'no Host': ['GET /abcdefgh HTTP/1.1\r\n\r\n', 400],
      'two Hosts': ['GET /abcdefgh HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n', 400],
      'bytes that are not HTTP': ['hello\r\n\r\n', 400],
      'an unknown method': ['BREW /abcdefgh HTTP/1.1\r\nHost: x\r\n\r\n', 400],
      'a wrong Content-Length': ['POST /urls HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n', 400],
      'two Content-Lengths': [
        'POST /urls HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}',
        400,
      ],
      'length and chunks': [
        'POST /urls HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
        400,
      ],
      'too large headers': [`GET /abcdefgh HTTP/1.1\r\nHost: x\r\nX: ${'a'.repeat(20_000)}\r\n\r\n`, 431],
    };
    for (const [what, [bytes, status]] of Object.entries(BROKEN)) {
      it(`answers ${status} with a problem document to ${what}`, async () => {
        const answer = await sendRaw(mapper.url, bytes, '}');
        expect(answer).to.match(new RegExp(`^HTTP/1\\.1 ${status} `));
        expect(answer).to.match(/content-type: application\/problem\+json/i);
      });
    }

    it('understands HTTP/1.0 and the absolute form', async () => {
      expect(await sendRaw(mapper.url, 'GET /abcdefgh HTTP/1.0\r\n\r\n')).to.match(/^HTTP\/1\.1 404 /);
      const absolute = 'GET http://any.example/followed?x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
      expect(await sendRaw(mapper.url, absolute)).to.match(/^HTTP\/1\.1 302 /);
    });

    it('continues to serve after a body that ended early', async () => {
      const { hostname, port } = new URL(mapper.url);
      const socket = connect(Number(port), hostname);
      socket.write(
        'POST /urls HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"lo',
      );
      await delay(20);
      socket.destroy();
      expect((await follow('followed')).status).to.equal(302);
    });

    it('serves while 1,200 other connections are open', async function () {
      this.timeout(60_000);
      const { hostname, port } = new URL(mapper.url);
      const sockets = await Promise.all(
        Array.from(
          { length: 1_200 },
          async () =>
            new Promise<Socket>((resolve, reject) => {
              const socket = connect(Number(port), hostname);
              socket.once('connect', () => resolve(socket));
              socket.once('error', reject);
            }),
        ),
      );
      expect((await follow('followed')).status).to.equal(302);
      for (const socket of sockets) socket.destroy();
    });
  });

  it('answers 503 with Retry-After to shortens above its limit, and loses none of the others', async () => {
    const small = await world.start({ queueLimit: 20 });
    const answers = await Promise.all(
      Array.from({ length: 300 }, async () => shorten(small.url, { long_url: 'https://example.com/' })),
    );
    const refused = answers.filter(({ status }) => status === 503);
    expect(answers.length - refused.length).to.be.at.least(20);
    for (const answer of refused) {
      expect(answer.json()['type']).to.equal('urn:keymill:problem:overloaded');
      expect(answer.headers['retry-after']).to.equal('1');
    }
    for (const answer of answers) expect(answer.status).to.be.oneOf([201, 503]);
  });

  describe('the admin port', () => {
    it('is alive and ready, and counts', async () => {
      expect((await send('GET', `${mapper.adminUrl}/livez`)).status).to.equal(200);
      const ready = await send('GET', `${mapper.adminUrl}/readyz`);
      expect(ready.status).to.equal(200);
      expect(ready.json()['degraded']).to.deep.equal([]);
      const { text } = await send('GET', `${mapper.adminUrl}/metrics`);
      expect(text).to.match(/keymill_shortens_total\{result="created"\} [1-9]/);
      expect(text).to.match(/keymill_redirects_total\{result="found",source="db"\} [1-9]/);
      expect(text).to.match(/keymill_pool_healthy\{pool="redis-1"\} 1/);
    });
  });
});
