import { expect } from 'chai';
import { slotOf } from '../../db/keyspace/placement.ts';
import { until } from '../until.ts';
import { expectProblem, send, shorten, type Answer } from './client.ts';
import { createWorld, type TestMapper, type World } from './world.ts';

const TARGET = 'https://example.com/typed?x=1';

describe('links as people type and paste them', () => {
  let world: World;
  let mapper: TestMapper;
  let koa: TestMapper;

  before(async function () {
    this.timeout(60_000);
    world = await createWorld({ keys: 500 });
    mapper = await world.start({ publicUrl: 'https://go.example' });
    koa = await world.start({ publicUrl: 'https://go.example', hasFastPaths: false });
    for (const custom_alias of ['typed', 'typed-', 'never-there-'])
      expect(
        (await shorten(mapper.url, { long_url: `${TARGET}&${custom_alias}`, custom_alias })).status,
      ).to.equal(201);
  });

  after(async function () {
    this.timeout(60_000);
    await world[Symbol.asyncDispose]();
  });

  async function follow(path: string, method = 'GET', headers = {}): Promise<Answer> {
    return send(method, `${mapper.url}/${path}`, { headers });
  }

  /** Writes a target into the tables by hand. */
  async function overwrite(key: string, target: string): Promise<void> {
    for (const { sql } of world.urls)
      await sql.query('UPDATE urls SET original_url = ? WHERE unique_id = ?', [target, key]);
  }

  describe('a key with the text around it', () => {
    const ENDINGS = [
      '/ . , ) ! ; \' " > ] : * // /. ). ... /) .? )?utm=1 /?a=b',
      '%20 %C2%A0 %E2%80%8B %EF%BB%BF %0D%0A %22%3E %2F %E2%80%9D. % %A0',
    ].flatMap((line) => line.split(' '));
    for (const ending of ENDINGS) {
      it(`leads to its link before ${ending}`, async () => {
        for (const method of ['GET', 'HEAD']) {
          const answer = await follow(`typed${ending}`, method);
          expect([answer.status, answer.headers.location, answer.text]).to.deep.equal([
            302,
            `${TARGET}&typed`,
            '',
          ]);
        }
      });
    }

    it('is that key only if no link has the whole text as its key', async () => {
      expect((await follow('typed-')).headers.location).to.equal(`${TARGET}&typed-`);
      expect((await follow('typed-.')).headers.location).to.equal(`${TARGET}&typed-`);
      expect((await follow('typed/-')).status).to.equal(404);
      expectProblem(await follow('never-there'), 404);
      expectProblem(await follow('never-there.'), 404);
    });

    it('is counted as a click of that link, and a HEAD is not', async () => {
      await shorten(mapper.url, { long_url: TARGET, custom_alias: 'counted-typed' });
      for (const method of ['GET', 'HEAD', 'GET']) await follow('counted-typed).', method);
      await untilClicks('counted-typed', 2);
    });

    it('is refused like the link itself for another method', async () => {
      expectProblem(await follow('typed/', 'DELETE'), 405);
      expectProblem(await follow('typed.', 'PUT'), 405);
      expectProblem(await follow('typed/x', 'PUT'), 404);
    });
  });

  async function untilClicks(key: string, expected: number): Promise<void> {
    const clicks = async (): Promise<number> => {
      const found = await Promise.all(
        world.urls.map(async ({ sql }) =>
          sql.query('SELECT COALESCE(SUM(humans + bots), 0) AS n FROM click_totals WHERE unique_id = ?', [
            key,
          ]),
        ),
      );
      return found.reduce((sum, [rows]) => sum + Number((rows as { n: string }[])[0]?.n ?? 0), 0);
    };
    await until('the clicks to be stored', async () => (await clicks()) >= expected);
    expect(await clicks()).to.equal(expected);
  }

  it('POST /urls/ makes a link like POST /urls', async () => {
    const headers = { 'content-type': 'application/json' };
    for (const { url } of [mapper, koa]) {
      const body = JSON.stringify({ long_url: TARGET });
      const answer = await send('POST', `${url}/urls/`, { headers, body });
      expect(answer.status).to.equal(201);
      expect(answer.json()['long_url']).to.equal(TARGET);
      const wrong = await send('GET', `${url}/urls/`);
      expectProblem(wrong, 405);
      expect(wrong.headers.allow).to.equal('POST');
    }
  });

  it('warns of an alias that begins or ends with a dash or underscore, in the same bytes on both paths', async () => {
    const made: string[] = [];
    for (const [base, custom_alias] of [
      [mapper, 'ends-loose_'],
      [koa, 'ends-loose-'],
      [mapper, '_begins'],
    ] as const) {
      const answer = await shorten(base.url, { long_url: TARGET, custom_alias });
      expect(answer.status).to.equal(201);
      const body = answer.json();
      expect(Object.keys(body).slice(0, 5)).to.deep.equal([
        'short_url',
        'unique_id',
        'long_url',
        'created_at',
        'expiration_date',
      ]);
      expect(body['warnings']).to.have.length(1);
      expect((body['warnings'] as [{ field: string }])[0].field).to.equal('custom_alias');
      expect((await follow(custom_alias)).status).to.equal(302);
      made.push(answer.text.replaceAll(custom_alias, '').replace(/"created_at":"[^"]+"/, ''));
    }
    expect(new Set(made).size).to.equal(1);
    const plain = await shorten(mapper.url, { long_url: TARGET, custom_alias: 'no-loose-end' });
    expect(Object.keys(plain.json())).to.have.length(5);
  });

  it('follows an alias that was made before its word was reserved, and makes no such alias any more', async () => {
    const slot = slotOf('Status');
    const owner = world.urls.find(({ slots }) => slots.includes(slot));
    await owner?.sql.query(
      `INSERT INTO urls (slot, unique_id, original_url, created_at, request_id, alias)
       VALUES (?, 'Status', ?, NOW(3), RANDOM_BYTES(16), 1)`,
      [slot, TARGET],
    );
    for (const { url } of [mapper, koa]) {
      for (const path of ['Status', 'Status?x', 'Status/'])
        expect((await send('GET', `${url}/${path}`)).headers.location, path).to.equal(TARGET);
      expectProblem(await send('GET', `${url}/drain`), 404);
      const refused = await shorten(url, { long_url: TARGET, custom_alias: 'drain' });
      expect(expectProblem(refused, 422)).to.deep.equal([{ field: 'custom_alias', reason: 'is reserved' }]);
    }
  });

  describe('prefetches', () => {
    const HEADERS: readonly Record<string, string>[] = [
      { 'Sec-Purpose': 'prefetch' },
      { 'sec-purpose': 'prefetch;prerender' },
      { Purpose: 'prefetch' },
      { 'X-Moz': 'prefetch' },
    ];

    it('are redirected, and are no clicks', async () => {
      await shorten(mapper.url, { long_url: TARGET, custom_alias: 'prefetched' });
      for (const { url } of [mapper, koa]) {
        for (const headers of HEADERS) {
          const answer = await send('GET', `${url}/prefetched`, { headers });
          expect([answer.status, answer.headers.location]).to.deep.equal([302, TARGET]);
        }
        // Such a header may state another purpose.
        await send('GET', `${url}/prefetched`, { headers: { Purpose: 'other', 'Sec-Purpose': 'x' } });
        await send('GET', `${url}/prefetched`);
      }
      await untilClicks('prefetched', 4);
    });
  });

  describe('a target that was written by hand', () => {
    const TARGETS: Readonly<Record<string, string>> = {
      'is-empty': '',
      'is-blank': ' \t',
      'has-line-break': 'https://example.com/\r\nSet-Cookie: a=b',
      'has-control': 'https://example.com/\u0001',
    };
    for (const [custom_alias, target] of Object.entries(TARGETS)) {
      it(`answers 410 when it ${custom_alias.replaceAll('-', ' ')}, from the database and from memory`, async () => {
        await shorten(mapper.url, { long_url: TARGET, custom_alias });
        await overwrite(custom_alias, target);
        for (const one of [mapper, koa]) {
          const pattern = /keymill_redirects_total\{result="unusable",source="(?:db|memory)"\} (\d+)/g;
          const total = async (): Promise<number> => {
            const { text } = await send('GET', `${one.adminUrl}/metrics`);
            return [...text.matchAll(pattern)].reduce((sum, [, count]) => sum + Number(count), 0);
          };
          const before = await total();
          for (const method of ['GET', 'GET', 'HEAD']) {
            const answer = await send(method, `${one.url}/${custom_alias}`);
            expect(answer.status).to.equal(410);
            expect(answer.headers).not.to.include.keys('location', 'set-cookie');
            if (method === 'GET') expect(answer.json()['type']).to.equal('urn:keymill:problem:link-unusable');
          }
          expect((await total()) - before).to.equal(3);
        }
      });
    }
  });

  it('accepts longer targets when configured, and redirects to them', async () => {
    const long = await world.start({ maxUrlBytes: 8_000 });
    const target = `https://example.com/${'é'.repeat(650)}`;
    expectProblem(await shorten(mapper.url, { long_url: target }), 422);
    const made = await shorten(long.url, { long_url: target, custom_alias: 'a-long-one' });
    expect(made.status).to.equal(201);
    expect((await follow('a-long-one')).headers.location).to.equal(encodeURI(target));
    expectProblem(await shorten(long.url, { long_url: `https://example.com/${'é'.repeat(1_331)}` }), 422);
  });
});
