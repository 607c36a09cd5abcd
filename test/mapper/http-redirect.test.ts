import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { expectProblem, send, shorten, type Answer } from './client.ts';
import { createWorld, type TestMapper, type World } from './world.ts';

describe('aliases and redirects over HTTP', () => {
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

  async function follow(key: string, method = 'GET'): Promise<Answer> {
    return send(method, `${mapper.url}/${key}`);
  }

  describe('aliases', () => {
    it('redirects to the target, and distinguishes upper and lower case', async () => {
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

    it('gives an alias to exactly one of many concurrent requests, here and on another mapper', async () => {
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

    it('redirects on the mapper that made an alias, although the alias was requested before it existed', async () => {
      expectProblem(await follow('early-bird'), 404);
      await shorten(mapper.url, { long_url: 'https://example.com/worm', custom_alias: 'early-bird' });
      expect((await follow('early-bird')).status).to.equal(302);
    });
  });

  describe('GET /{unique_id}', () => {
    before(async () => {
      await shorten(mapper.url, { long_url: 'https://example.com/target?x=1#y', custom_alias: 'followed' });
    });

    it('redirects with an empty body that no shared cache may store', async () => {
      const answer = await follow('followed');
      expect(answer.status).to.equal(302);
      expect(answer.headers.location).to.equal('https://example.com/target?x=1#y');
      expect(answer.headers['content-length']).to.equal('0');
      expect(answer.headers['cache-control']).to.equal('private, max-age=0');
      expect(answer.text).to.equal('');
    });

    it('answers HEAD like GET, also when it refuses', async () => {
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
      'followed/x',
      '/followed',
      'a%2Fb',
      '%zz',
      '%00abc',
      'x'.repeat(65),
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

    it('answers 410 from the moment in which a link expires, also when it is cached', async () => {
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
});
