import { expect } from 'chai';
import { createRandom } from '../../runtime/random.ts';
import { sendRaw } from './client.ts';
import { comparable } from './comparable-answer.ts';
import { makeLinks } from './front-twins.ts';
import { createWorld, randomKeys, type TestMapper, type World } from './world.ts';

/** A last request, which ends a kept connection. */
const LAST = 'GET /known-link HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'QUERY'];
const PATHS = [
  '/known-link /deleted-link /expired-link /taken-alias /a-_ / // //known-link /known-link/ /known%2Dlink /KNOWN-LINK',
  '/known-link% /known-link;x /known-link#x /ab /urls /URLS /Urls.txt /health /urls/ /urls?x /urls/x * /kn\u00f6wn',
  'http://any.example/known-link /known-link\\ /. /.. /known-link.html /known-link+ /robots /livez',
  '/known-link. /known-link). /known-link%E2%80%8B /known-link\u00a0 /known-link/. /deleted-link, /robots. /status',
  '/ruled-link /early-link /ruled-link+ /ruled-link/ /robots.txt /one/two/three',
  '/broken-link /blank-link /urls/. /known-link/x /unknown-link!',
  `/${'a'.repeat(64)} /${'a'.repeat(65)}`,
].flatMap((line) => line.split(' '));

const HEADERS = [
  'X-Request-Id: trace/42:a',
  'x-request-ID: a b"{}',
  'X-Request-Id: one\r\nX-Request-Id: two',
  `X-Request-Id: ${'a'.repeat(129)}`,
  'hOST: x',
  'Accept: */*\r\nUser-Agent: some',
  'Accept: text/html,*/*;q=0.8\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)',
  'accept: text/html\r\nAccept: application/json\r\nAccept-Language: de-DE,de;q=0.9',
  'Cookie: a=b\r\nCookie: c=d',
  'If-None-Match: *',
  'Range: bytes=0-1',
  'Upgrade: h2c\r\nConnection: Upgrade',
  'Content-Length: 0',
  'Transfer-Encoding: chunked',
  'Expect: 100-continue',
  'Expect: 200-ok',
  'Sec-Purpose: prefetch;prerender',
  'purpose: prefetch',
  'Transfer-Encoding: gzip, chunked',
  'Idempotency-Key:',
  'idempotency-key: a\r\nIdempotency-Key: b',
  'Host: y',
];

const HOSTS = ['x', 'x:80', '[::1]', '', 'a b', 'a/b', 'x:y', '[', 'ü', '%', 'a%20b', 'a@b', 'a,b'];

/** What may follow a request on its connection. */
const FOLLOWERS = [
  'GARBAGE\r\n\r\n',
  '\0',
  'GET /known-link HTTP/2.0\r\n\r\n',
  'CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n',
  'POST /urls HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nz',
];

const URLS = [
  'ftp://a.example/ javascript:1 //a a http:// http://127.0.0.1/ http://[::1]/ http://0x7f.1/ http://8.8.8.8/ https://localhost./',
  'https://go.example/x https://GO.example. http://u:p@a.example/ http://a.example:99999/ http://10.0.0.1.nip.io/ http://a.b1/',
  'http://\uff11\uff10.0.0.1/',
].flatMap((line) => line.split(' '));

const BODIES: readonly (string | Buffer)[] = [
  '{"long_url":"https://example.com/a?b=c#d"}',
  '  {  "long_url" : "HTTP://EXAMPLE.com:80/a b"  }\n',
  '{"long_url":"https://example.com/\\u00e9\\"\\\\"}',
  '{"long_url":"https://пример.рф/ü"}',
  '\ufeff{"long_url":"https://example.com/"}',
  '{"long_url":"https://example.com/it\'s?q=\\\\\'x"}',
  '{"long_url":"https://example.com/","custom_alias":null,"expiration_date":null}',
  '{"long_url":"https://example.com/","expiration_date":"2999-01-01T00:00:00+01:00"}',
  '{"long_url":"https://example.com/","expiration_date":"1999-01-01T00:00:00Z"}',
  '{"long_url":"https://example.com/","custom_alias":"taken-alias"}',
  '{"long_url":"https://example.com/","custom_alias":"urls"}',
  '{"long_url":"https://example.com/","custom_alias":"a"}',
  '{"long_url":"https://a.example/","long_url":"https://b.example/"}',
  '{"long_url":"https://a.example/","long\\u005furl":"https://b.example/"}',
  '{"long_url":"https://a.example/","custom_alias":null,"custom_alias":null}',
  '{"long_url":"https://a.example/","__proto__":null}',
  '{"long_url":"https://a.example/","more":1}',
  '{"LONG_URL":"https://a.example/"}',
  '{"long_url":"https://a.example/","find_if_exists":false}',
  '{"long_url":"https://a.example/","find_if_exists":null,"custom_alias":null}',
  '{"long_url":"https://a.example/","find_if_exists":"true"}',
  '{"find_if_exists":true}',
  '{"long_url":"ftp://a.example/","find_if_exists":true,"find_if_exists":true}',
  '{"long_url":7}',
  '{"long_url":null}',
  '{"long_url":{"a":"b"}}',
  '{}',
  '[]',
  '["long_url"]',
  'null',
  '"text"',
  '7',
  '',
  ' ',
  '{',
  '{"long_url":"https://example.com/"',
  '{"long_url":"https://example.com/"}}',
  Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]),
  ...URLS.map((url) => JSON.stringify({ long_url: url })),
  JSON.stringify({ long_url: `https://example.com/${'a'.repeat(2_100)}` }),
  JSON.stringify({ long_url: `https://example.com/${'ü'.repeat(1_900)}` }),
  JSON.stringify({ long_url: 'https://example.com/', more: 'a'.repeat(66_000) }),
];

const TYPES = [
  'application/json',
  'application/json',
  'Application/JSON',
  'application/json; charset=utf-8',
  'application/json;charset=latin1',
  'application/problem+json',
  'text/plain',
  '',
];

describe('the fast paths and Koa', () => {
  const seed = Number(process.env['KEYMILL_TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
  let world: World;
  let fast: TestMapper;
  let koa: TestMapper;
  let paths: string[];

  before(async function () {
    this.timeout(90_000);
    world = await createWorld({ keys: 2_000 });
    const publicUrl = 'https://go.example';
    fast = await world.start({ publicUrl });
    koa = await world.start({ publicUrl, hasFastPaths: false });
    await makeLinks(world, koa);
    paths = PATHS.concat(randomKeys(3).map((key) => `/${key}`));
  });

  after(async function () {
    this.timeout(60_000);
    await world[Symbol.asyncDispose]();
  });

  /** Compares answers on a connection that ends with the answer, and on one that serves another request. */
  async function expectSame(bytes: Buffer): Promise<void> {
    await expectSameBytes(bytes);
    const kept = bytes.toString('latin1').replace('Connection: close\r\n', '');
    // After chunks that never end, or a change of protocol, the server would never read the last request.
    if (!/Transfer-Encoding|Upgrade/.test(kept)) await expectSameBytes(Buffer.from(kept + LAST, 'latin1'));
  }

  async function expectSameBytes(bytes: string | Buffer): Promise<void> {
    const [one, two] = await Promise.all([sendRaw(fast.url, bytes), sendRaw(koa.url, bytes)]);
    expect(one, String(bytes)).not.to.equal('');
    expect(comparable(one), `seed ${seed}: ${String(bytes)}`).to.equal(comparable(two));
  }

  it('answer every path the same, byte for byte, from the database and from memory', async function () {
    this.timeout(60_000);
    for (const path of paths) {
      for (const method of ['GET', 'GET', 'HEAD', 'OPTIONS']) {
        for (const query of ['', '?', '?a=b&c', '?/../%zz'])
          await expectSame(
            Buffer.from(`${method} ${path}${query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`),
          );
      }
    }
  });

  it('answer every body the same, byte for byte', async function () {
    this.timeout(60_000);
    for (const body of BODIES) await expectSame(post(body, ['Content-Type: application/json']));
    for (const type of TYPES) await expectSame(post(BODIES[0] ?? '', [`Content-Type: ${type}`]));
  });

  it('answer any mixture the same, byte for byte', async function () {
    this.timeout(120_000);
    const random = createRandom(seed);
    const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
    for (let round = 0; round < 600; round += 1) {
      const extras = [0, 0, 1, 2, 3]
        .slice(0, pick([0, 1, 3, 5]))
        .filter(Boolean)
        .map(() => pick(HEADERS));
      const version = random() < 0.1 ? pick(['1.0', '1.0', '2.0', '0.9']) : '1.1';
      const host = random() < 0.05 ? [] : [`Host: ${random() < 0.1 ? pick(HOSTS) : 'x'}`];
      if (random() < 0.5) {
        const head = [
          `${pick(METHODS)} ${pick(paths)}${pick(['', '?', '?q=%'])} HTTP/${version}`,
          ...host,
          ...extras,
        ];
        const isChunked = extras.some((header) => header.startsWith('Transfer-Encoding'));
        await expectSame(
          Buffer.from(
            `${[...head, 'Connection: close', ''].join('\r\n')}\r\n${isChunked ? '0\r\n\r\n' : ''}`,
          ),
        );
      } else {
        await expectSame(
          post(
            pick(BODIES),
            [`${pick(['Content-Type', 'content-TYPE'])}: ${pick(TYPES)}`, ...extras],
            version,
          ),
        );
      }
    }
  });

  it('keep and close connections in the same cases', async () => {
    const get = (path: string, connection: string): string =>
      `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: ${connection}\r\n\r\n`;
    await expectSameBytes(
      get('/known-link', 'keep-alive') + get('/nothing-there', 'Keep-Alive') + get('/known-link', 'close'),
    );
    await expectSameBytes('GET /known-link HTTP/1.0\r\n\r\n');
    await expectSameBytes(
      'GET /known-link HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /known-link HTTP/1.0\r\n\r\n',
    );
  });

  it('answer a request the same when something malformed follows', async () => {
    const requests = [
      'GET /known-link HTTP/1.1\r\nHost: x\r\n\r\n',
      'GET /nothing-there HTTP/1.1\r\nHost: x\r\n\r\n',
      `GET /${randomKeys(1)[0]} HTTP/1.1\r\nHost: x\r\n\r\n`,
      ...BODIES.slice(0, 10).map((body) =>
        String(post(body, ['Content-Type: application/json'])).replace('Connection: close\r\n', ''),
      ),
    ];
    for (const request of requests)
      for (const follower of FOLLOWERS) await expectSameBytes(request + request + follower);
  });

  function post(body: string | Buffer, headers: readonly string[], version = '1.1'): Buffer {
    const head = [
      `POST /urls HTTP/${version}`,
      'Host: x',
      ...headers,
      `Content-Length: ${Buffer.byteLength(body)}`,
    ];
    return Buffer.concat([
      Buffer.from([...head, 'Connection: close', '', ''].join('\r\n')),
      Buffer.from(body),
    ]);
  }
});
