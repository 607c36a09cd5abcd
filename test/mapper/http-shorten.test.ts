import { expect } from 'chai';
import { expectProblem, send, sendRaw, shorten } from './client.ts';
import { createWorld, type TestMapper, type World } from './world.ts';

const JSON_TYPE = { 'content-type': 'application/json' };

describe('shortening over HTTP', () => {
  let world: World;
  let mapper: TestMapper;

  before(async function () {
    this.timeout(60_000);
    world = await createWorld({ keys: 500 });
    mapper = await world.start({ publicUrl: 'https://go.example' });
  });

  after(async function () {
    this.timeout(60_000);
    await world[Symbol.asyncDispose]();
  });

  describe('POST /urls', () => {
    it('answers 201 with the link as it is stored', async () => {
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

    it('stores the link with user NULL and exactly the dates of its answer', async () => {
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

    it('treats null like an absent field', async () => {
      const answer = await shorten(mapper.url, {
        long_url: 'https://example.com/',
        custom_alias: null,
        expiration_date: null,
      });
      expect(answer.status).to.equal(201);
    });

    it('gives each request a key of its own, also for the same target', async () => {
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
      it(`answers 422 to JSON that is not an object: ${body}`, async () => {
        expect(expectProblem(await shorten(mapper.url, body), 422)).to.have.length(1);
      });
    }

    const FIELDS: readonly (readonly [string, unknown, string])[] = [
      ['a missing long_url', {}, 'long_url'],
      ['long_url null', { long_url: null }, 'long_url'],
      ['a long_url that is not a string', { long_url: ['https://example.com/'] }, 'long_url'],
      ['a long_url that is not a URL', { long_url: 'example' }, 'long_url'],
      ['a private target', { long_url: 'http://127.1/' }, 'long_url'],
      ['our own domain', { long_url: 'http://GO.example./x' }, 'long_url'],
      [
        'an alias that is too short',
        { long_url: 'https://example.com/', custom_alias: 'ab' },
        'custom_alias',
      ],
      ['an empty alias', { long_url: 'https://example.com/', custom_alias: '' }, 'custom_alias'],
      ['a reserved alias', { long_url: 'https://example.com/', custom_alias: 'AdMiN' }, 'custom_alias'],
      [
        'an alias that is not a string',
        { long_url: 'https://example.com/', custom_alias: 123 },
        'custom_alias',
      ],
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
        'a date that is not a string',
        { long_url: 'https://example.com/', expiration_date: 4_102_444_800 },
        'expiration_date',
      ],
      ['an unknown field', { long_url: 'https://example.com/', user_id: 1 }, 'user_id'],
      ['a field named constructor', { long_url: 'https://example.com/', constructor: 1 }, 'constructor'],
      ['a field in another case', { long_url: 'https://example.com/', Custom_Alias: 'abc' }, 'Custom_Alias'],
    ];
    for (const [what, body, field] of FIELDS) {
      it(`answers 422 to ${what}, naming ${field}`, async () => {
        const errors = expectProblem(await shorten(mapper.url, body), 422);
        expect(errors.map((error) => error.field)).to.deep.equal([field]);
        expect(errors[0]?.reason).to.be.a('string').and.not.equal('');
      });
    }

    it('answers 422 to a field named __proto__, which changes nothing', async () => {
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

    it('answers 422 to a field given twice in an inner object, and says where', async () => {
      const inner = '{"long_url":"https://example.com/","a":[1,{"b":{},"c":{"d,":1,"d,":{}}}],"b":2}';
      expect(expectProblem(await shorten(mapper.url, inner), 422)).to.deep.equal([
        { field: 'a.1.c.d,', reason: 'is given more than once' },
      ]);
    });

    it('does not mistake text inside strings for fields', async () => {
      const tricky = '{"long_url":"https://example.com/?a=\\",\\"long_url\\":\\"{[\\\\"}';
      expect((await shorten(mapper.url, tricky)).status).to.equal(201);
    });

    it('names every field at fault in one answer', async () => {
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

    it('accepts 64 KiB and answers 413 to one byte more, with and without Content-Length', async () => {
      const fits = '{"long_url":"https://example.com/"}'.padEnd(65_536);
      expect((await shorten(mapper.url, fits)).status).to.equal(201);
      expectProblem(await shorten(mapper.url, `${fits} `), 413);
      expectProblem(await shorten(mapper.url, `${fits} `, { 'transfer-encoding': 'chunked' }), 413);
      expectProblem(await shorten(mapper.url, 'x'.repeat(900_000)), 413);
    });

    it('refuses a body that is too large before a client with Expect: 100-continue sends it', async () => {
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
});
