import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { send, sendRaw, shorten, type Answer } from './client.ts';
import { createWorld, type TestMapper, type World } from './world.ts';

const JSON_TYPE = { 'content-type': 'application/json' };

describe('the public HTTP surface', () => {
  let world: World;
  let mapper: TestMapper;

  before(async function () {
    this.timeout(60_000);
    world = await createWorld();
    await world.fill(0, 500);
    await world.fill(1, 500);
    mapper = await world.start({ publicUrl: 'https://go.example' });
  });

  after(async function () {
    this.timeout(20_000);
    await world[Symbol.asyncDispose]();
  });

  /** Asserts the shape every refusal has, and returns its `errors`. */
  function expectProblem(answer: Answer, status: number): { field: string; reason: string }[] {
    expect(answer.status, answer.text).to.equal(status);
    expect(answer.headers['content-type']).to.equal('application/problem+json');
    const problem = answer.json();
    expect(problem).to.include.all.keys('type', 'title', 'status', 'detail');
    expect(problem['status']).to.equal(status);
    expect(problem['type']).to.match(/^urn:keymill:problem:[a-z0-9-]+$/);
    return (problem['errors'] ?? []) as { field: string; reason: string }[];
  }

  async function follow(key: string, method = 'GET'): Promise<Answer> {
    return send(method, `${mapper.url}/${key}`);
  }

  describe('POST /urls', () => {
    it('answers 201 with the link as it is kept', async () => {
      const before = Date.now();
      const answer = await shorten(mapper.url, { long_url: 'HTTPS://Example.com:443/a b?x=ä#ß' });
      expect(answer.status).to.equal(201);
      expect(answer.headers['content-type']).to.match(/^application\/json/);
      expect(answer.headers['cache-control']).to.equal('no-store');
      const body = answer.json();
      expect(Object.keys(body).toSorted()).to.deep.equal([
        'created_at',
        'expiration_date',
        'long_url',
        'short_url',
        'unique_id',
      ]);
      expect(body['long_url']).to.equal('https://example.com/a%20b?x=%C3%A4#%C3%9F');
      expect(body['unique_id']).to.match(/^[A-Za-z0-9_-]{8}$/);
      expect(body['short_url']).to.equal(`https://go.example/${String(body['unique_id'])}`);
      expect(answer.headers.location).to.equal(body['short_url']);
      expect(body['created_at']).to.match(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      expect(Date.parse(String(body['created_at']))).to.be.within(before, Date.now());
      expect(body['expiration_date']).to.equal(null);
    });

    it('makes the link durable with user NULL and the very dates it told', async () => {
      const answer = await shorten(mapper.url, {
        long_url: 'https://example.com/stored',
        custom_alias: 'stored-1',
        expiration_date: '2031-05-06T07:08:09.123456+02:00',
      });
      const body = answer.json();
      expect(body['expiration_date']).to.equal('2031-05-06T05:08:09.123Z');
      const rows = await Promise.all(
        world.urls.map(async ({ sql }) => {
          const [found] = await sql.query(
            "SELECT user_id, original_url, DATE_FORMAT(created_at, '%Y-%m-%dT%T.%f') AS created, DATE_FORMAT(expires_at, '%Y-%m-%dT%T.%f') AS expires FROM urls WHERE unique_id = 'stored-1'",
          );
          return found as Record<string, unknown>[];
        }),
      );
      expect(rows.flat()).to.deep.equal([
        {
          user_id: null,
          original_url: 'https://example.com/stored',
          created: String(body['created_at']).replace('Z', '000'),
          expires: '2031-05-06T05:08:09.123000',
        },
      ]);
    });

    it('takes null for absent', async () => {
      const answer = await shorten(mapper.url, {
        long_url: 'https://example.com/',
        custom_alias: null,
        expiration_date: null,
      });
      expect(answer.status).to.equal(201);
    });

    it('gives each request a key of its own, also for one target', async () => {
      const answers = await Promise.all(
        Array.from({ length: 100 }, async () =>
          shorten(mapper.url, { long_url: 'https://example.com/same' }),
        ),
      );
      expect(answers.map(({ status }) => status)).to.deep.equal(Array.from({ length: 100 }, () => 201));
      expect(new Set(answers.map((answer) => answer.json()['unique_id'])).size).to.equal(100);
    });

    const TYPES: Readonly<Record<string, number>> = {
      'application/json': 201,
      'APPLICATION/JSON; Charset="UTF-8"': 201,
      'application/json;charset=utf-8': 201,
      'application/vnd.keymill+json': 201,
      'application/json; charset=iso-8859-1': 415,
      'text/plain': 415,
      'application/x-www-form-urlencoded': 415,
      'multipart/form-data; boundary=x': 415,
      'application/jsonp': 415,
      json: 415,
    };
    for (const [type, status] of Object.entries(TYPES)) {
      it(`answers ${status} to Content-Type ${type}`, async () => {
        const answer = await shorten(
          mapper.url,
          { long_url: 'https://example.com/' },
          { 'content-type': type },
        );
        if (status === 415) expectProblem(answer, 415);
        else expect(answer.status).to.equal(status);
      });
    }

    it('answers 415 without a Content-Type, and to a compressed body', async () => {
      expectProblem(
        await send('POST', `${mapper.url}/urls`, { body: '{"long_url":"https://example.com/"}' }),
        415,
      );
      expectProblem(await shorten(mapper.url, '{}', { 'content-encoding': 'gzip' }), 415);
    });

    for (const body of [
      '',
      ' ',
      '{',
      '{"long_url":}',
      "{'long_url':'x'}",
      '{"long_url":"a"} x',
      'undefined',
      '[1,]',
    ]) {
      it(`answers 400 to the body ${JSON.stringify(body)}`, async () => {
        expectProblem(await shorten(mapper.url, body), 400);
      });
    }

    it('answers 400 to bytes that are not UTF-8', async () => {
      const body = Buffer.from('{"long_url":"https://example.com/\xff"}', 'latin1');
      expectProblem(await send('POST', `${mapper.url}/urls`, { headers: JSON_TYPE, body }), 400);
    });

    for (const body of [
      '[]',
      'null',
      '3',
      '"https://example.com/"',
      'true',
      '[{"long_url":"https://example.com/"}]',
    ]) {
      it(`answers 422 to JSON that is no object: ${body}`, async () => {
        expect(expectProblem(await shorten(mapper.url, body), 422)).to.have.length(1);
      });
    }

    const FIELDS: readonly (readonly [string, unknown, string])[] = [
      ['a missing long_url', {}, 'long_url'],
      ['long_url null', { long_url: null }, 'long_url'],
      ['long_url no string', { long_url: ['https://example.com/'] }, 'long_url'],
      ['long_url no URL', { long_url: 'example' }, 'long_url'],
      ['a private target', { long_url: 'http://127.1/' }, 'long_url'],
      ['our own domain', { long_url: 'http://GO.example./x' }, 'long_url'],
      ['an alias too short', { long_url: 'https://example.com/', custom_alias: 'ab' }, 'custom_alias'],
      ['an empty alias', { long_url: 'https://example.com/', custom_alias: '' }, 'custom_alias'],
      ['a reserved alias', { long_url: 'https://example.com/', custom_alias: 'AdMiN' }, 'custom_alias'],
      ['an alias no string', { long_url: 'https://example.com/', custom_alias: 123 }, 'custom_alias'],
      [
        'a date in the past',
        { long_url: 'https://example.com/', expiration_date: '2020-01-01T00:00:00Z' },
        'expiration_date',
      ],
      [
        'a date without offset',
        { long_url: 'https://example.com/', expiration_date: '2099-01-01T00:00:00' },
        'expiration_date',
      ],
      [
        'a date no string',
        { long_url: 'https://example.com/', expiration_date: 4_102_444_800 },
        'expiration_date',
      ],
      ['an unknown field', { long_url: 'https://example.com/', user_id: 1 }, 'user_id'],
      ['a field named constructor', { long_url: 'https://example.com/', constructor: 1 }, 'constructor'],
      ['a field of other case', { long_url: 'https://example.com/', Custom_Alias: 'abc' }, 'Custom_Alias'],
    ];
    for (const [what, body, field] of FIELDS) {
      it(`answers 422 to ${what}, naming ${field}`, async () => {
        const errors = expectProblem(await shorten(mapper.url, body), 422);
        expect(errors.map((error) => error.field)).to.deep.equal([field]);
        expect(errors[0]?.reason).to.be.a('string').and.not.equal('');
      });
    }

    it('answers 422 to a field named __proto__, and is not changed by it', async () => {
      const answer = await shorten(
        mapper.url,
        '{"long_url":"https://example.com/","__proto__":{"custom_alias":"polluted"}}',
      );
      expect(expectProblem(answer, 422)).to.deep.equal([{ field: '__proto__', reason: 'unknown field' }]);
      expect(({} as Record<string, unknown>)['custom_alias']).to.equal(undefined);
    });

    it('answers 422 to a field given twice, however it is spelled', async () => {
      const twice = '{"long_url":"https://example.com/","long\\u005furl":"https://example.org/"}';
      expect(expectProblem(await shorten(mapper.url, twice), 422)).to.deep.equal([
        { field: 'long_url', reason: 'is given more than once' },
      ]);
    });

    it('does not mistake text inside strings for fields', async () => {
      const tricky = '{"long_url":"https://example.com/?a=\\",\\"long_url\\":\\"{[\\\\"}';
      expect((await shorten(mapper.url, tricky)).status).to.equal(201);
    });

    it('names every field at fault at once', async () => {
      const errors = expectProblem(
        await shorten(mapper.url, { long_url: 1, custom_alias: 'a', expiration_date: 'x', foo: 1, bar: 2 }),
        422,
      );
      expect(errors.map(({ field }) => field).toSorted()).to.deep.equal([
        'bar',
        'custom_alias',
        'expiration_date',
        'foo',
        'long_url',
      ]);
    });

    it('takes 64 KiB and answers 413 to one byte more, announced or not', async () => {
      const fits = '{"long_url":"https://example.com/"}'.padEnd(65_536);
      expect((await shorten(mapper.url, fits)).status).to.equal(201);
      expectProblem(await shorten(mapper.url, `${fits} `), 413);
      expectProblem(await shorten(mapper.url, `${fits} `, { 'transfer-encoding': 'chunked' }), 413);
      expectProblem(await shorten(mapper.url, 'x'.repeat(900_000)), 413);
    });

    it('tells a client that asks first not to send what would be refused', async () => {
      const head =
        'POST /urls HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n';
      const refused = await sendRaw(mapper.url, `${head}Content-Length: 70000\r\n\r\n`);
      expect(refused)
        .to.match(/^HTTP\/1\.1 413 /)
        .and.to.match(/connection: close/i);
      const body = '{"long_url":"https://example.com/"}';
      const asked = await sendRaw(
        mapper.url,
        `${head}Content-Length: ${body.length}\r\n\r\n${body}`,
        'expiration_date',
      );
      expect(asked).to.match(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 201 /);
    });

    it('answers 417 to other expectations', async () => {
      expectProblem(await shorten(mapper.url, '{}', { expect: 'a miracle' }), 417);
    });
  });

  describe('aliases', () => {
    it('redirects to the target, case by case', async () => {
      await shorten(mapper.url, { long_url: 'https://example.com/upper', custom_alias: 'Case-Alias' });
      await shorten(mapper.url, { long_url: 'https://example.com/lower', custom_alias: 'case-alias' });
      expect((await follow('Case-Alias')).headers.location).to.equal('https://example.com/upper');
      expect((await follow('case-alias')).headers.location).to.equal('https://example.com/lower');
    });

    it('answers 409 to a taken alias', async () => {
      const first = await shorten(mapper.url, {
        long_url: 'https://example.com/1',
        custom_alias: 'taken-alias',
      });
      expect(first.status).to.equal(201);
      expect(first.json()['unique_id']).to.equal('taken-alias');
      const errors = expectProblem(
        await shorten(mapper.url, { long_url: 'https://example.com/2', custom_alias: 'taken-alias' }),
        409,
      );
      expect(errors.map(({ field }) => field)).to.deep.equal(['custom_alias']);
      expect((await follow('taken-alias')).headers.location).to.equal('https://example.com/1');
    });

    it('gives an alias to exactly one of many who ask at once, here and on another mapper', async () => {
      const other = await world.start();
      const answers = await Promise.all(
        Array.from({ length: 20 }, async (_, index) =>
          shorten(index % 2 === 0 ? mapper.url : other.url, {
            long_url: `https://example.com/${index}`,
            custom_alias: 'one-winner',
          }),
        ),
      );
      const winners = answers.filter(({ status }) => status === 201);
      expect(winners).to.have.length(1);
      expect(answers.filter(({ status }) => status === 409)).to.have.length(19);
      for (const base of [mapper, other]) {
        const followed = await send('GET', `${base.url}/one-winner`);
        expect(followed.headers.location).to.equal(winners[0]?.json()['long_url']);
      }
    });

    it('redirects from the acknowledging mapper although the alias was asked for before it existed', async () => {
      expectProblem(await follow('early-bird'), 404);
      await shorten(mapper.url, { long_url: 'https://example.com/worm', custom_alias: 'early-bird' });
      expect((await follow('early-bird')).status).to.equal(302);
    });
  });

  describe('GET /{unique_id}', () => {
    before(async () => {
      await shorten(mapper.url, { long_url: 'https://example.com/target?x=1#y', custom_alias: 'followed' });
    });

    it('redirects with an empty body that nobody keeps', async () => {
      const answer = await follow('followed');
      expect(answer.status).to.equal(302);
      expect(answer.headers.location).to.equal('https://example.com/target?x=1#y');
      expect(answer.headers['content-length']).to.equal('0');
      expect(answer.headers['cache-control']).to.equal('private, max-age=0');
      expect(answer.text).to.equal('');
    });

    it('answers HEAD the same, refusals too', async () => {
      const [get, head] = [await follow('followed'), await follow('followed', 'HEAD')];
      const [got, headed] = [{ ...get.headers }, { ...head.headers }];
      for (const headers of [got, headed]) {
        delete headers['x-request-id'];
        delete headers.date;
      }
      expect(head.status).to.equal(302);
      expect(headed).to.deep.equal(got);
      const missing = await follow('no-such-link', 'HEAD');
      expect([missing.status, missing.text]).to.deep.equal([404, '']);
      expect(Number(missing.headers['content-length'])).to.be.greaterThan(0);
    });

    it('ignores a query string and percent-encoding', async () => {
      for (const path of ['followed?a=b', 'followed?', 'followe%64', '%66ollowed?%zz']) {
        expect((await follow(path)).status, path).to.equal(302);
      }
    });

    const NOWHERE = [
      '',
      'ab',
      'unknown-key',
      'AbCdEf12',
      'followed/',
      'followed/x',
      '/followed',
      'a%2Fb',
      '%zz',
      '%00abc',
      'followed%20',
      'x'.repeat(65),
      'robots.txt',
      'favicon.ico',
      'metrics',
      'healthz',
      '..%2fetc',
    ];
    for (const path of NOWHERE) {
      it(`answers 404 to /${path}`, async () => {
        const answer = await follow(path);
        expectProblem(answer, 404);
        expect(answer.headers['cache-control']).to.equal('no-store');
      });
    }

    it('answers 410 to an expired link, judged at the redirect', async () => {
      const expiration = new Date(Date.now() + 400).toISOString();
      await shorten(mapper.url, {
        long_url: 'https://example.com/',
        custom_alias: 'short-lived',
        expiration_date: expiration,
      });
      expect((await follow('short-lived')).status).to.equal(302);
      await delay(Date.parse(expiration) - Date.now() + 1);
      expectProblem(await follow('short-lived'), 410);
      expectProblem(
        await shorten(mapper.url, { long_url: 'https://example.com/', custom_alias: 'short-lived' }),
        409,
      );
    });

    it('answers 410 to a tombstone, whose alias stays taken', async () => {
      await shorten(mapper.url, { long_url: 'https://example.com/', custom_alias: 'buried' });
      await Promise.all(
        world.urls.map(async ({ sql }) =>
          sql.query("UPDATE urls SET original_url = NULL, deleted_at = NOW(3) WHERE unique_id = 'buried'"),
        ),
      );
      expectProblem(await follow('buried'), 410);
      expectProblem(
        await shorten(mapper.url, { long_url: 'https://example.com/', custom_alias: 'buried' }),
        409,
      );
    });
  });

  describe('methods, headers and malformed requests', () => {
    const WRONG: readonly (readonly [string, string, string])[] = [
      ['GET', 'urls', 'POST'],
      ['HEAD', 'urls', 'POST'],
      ['PUT', 'urls', 'POST'],
      ['OPTIONS', 'urls', 'POST'],
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
      'no HTTP at all': ['hello\r\n\r\n', 400],
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

    it('serves on after a body that broke off', async () => {
      const { hostname, port } = new URL(mapper.url);
      const socket = connect(Number(port), hostname);
      socket.write(
        'POST /urls HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"lo',
      );
      await delay(20);
      socket.destroy();
      expect((await follow('followed')).status).to.equal(302);
    });

    it('holds 1,200 open connections and serves beside them', async function () {
      this.timeout(20_000);
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
