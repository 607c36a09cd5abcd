import { expect } from 'chai';
import type { LinkRules } from '../../../db/urls/link-rules.ts';
import { until } from '../../until.ts';
import { send, sendRaw, shorten, type Answer } from '../client.ts';
import { createWorld, NO_LIMITS, type TestMapper, type World } from '../world.ts';
import { makeLink } from './ruled-links.ts';

const BROWSER = { accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8' };
const LATER_MS = 60_000;

describe('following a link with rules', () => {
  let world: World;
  let mappers: readonly { readonly name: string; readonly mapper: TestMapper }[];

  before(async function () {
    this.timeout(60_000);
    world = await createWorld({ keys: 100 });
    const settings = { publicUrl: 'https://go.example' };
    mappers = [
      { name: 'fast paths', mapper: await world.start(settings) },
      { name: 'Koa', mapper: await world.start({ ...settings, hasFastPaths: false }) },
    ];
  });

  after(async function () {
    this.timeout(60_000);
    await world[Symbol.asyncDispose]();
  });

  /** The same request to both mappers, twice: read, then from memory. */
  async function onBoth(
    path: string,
    expectation: (answer: Answer) => void,
    { method = 'GET', headers = {} }: { method?: string; headers?: Record<string, string> } = {},
  ): Promise<void> {
    for (const { name, mapper } of [...mappers, ...mappers]) {
      const answer = await send(method, `${mapper.url}${path}`, { headers });
      try {
        expectation(answer);
      } catch (error) {
        throw new Error(`${name}: ${answer.status} ${JSON.stringify(answer.headers)} ${answer.text}`, {
          cause: error,
        });
      }
    }
  }

  const isProblem =
    (status: number, kind: string) =>
    (answer: Answer): void => {
      expect(answer.status).to.equal(status);
      expect(answer.headers['content-type']).to.equal('application/problem+json');
      expect(answer.headers.vary).to.equal(undefined);
      expect(answer.json()['type']).to.equal(`urn:keymill:problem:${kind}`);
    };

  const isPage =
    (status: number, text: string) =>
    (answer: Answer): void => {
      expect(answer.status).to.equal(status);
      expect(answer.headers).to.include({
        'content-type': 'text/html; charset=utf-8',
        vary: 'Accept',
        'cache-control': 'no-store',
      });
      expect(answer.headers['content-security-policy']).to.not.include('unsafe');
      expect(answer.text).to.include(text).and.not.include('<script');
    };

  it('is 404 before it is valid, like an unknown link, and a redirect from then on', async () => {
    const key = await makeLink(world, {
      rules: { validFrom: new Date(Date.now() + LATER_MS).toISOString() },
    });
    const unknown = await send('GET', `${mappers[0]?.mapper.url}/never-made`);
    await onBoth(`/${key}`, (answer) => {
      isProblem(404, 'unknown-key')(answer);
      expect(answer.text).to.equal(unknown.text);
    });
    const valid = await makeLink(world, {
      rules: { validFrom: new Date(Date.now() - LATER_MS).toISOString() },
    });
    await onBoth(`/${valid}`, (answer) => expect(answer.status).to.equal(302));
  });

  it('becomes valid at its time, also where it was read before', async () => {
    const validFrom = new Date(Date.now() + 600).toISOString();
    const key = await makeLink(world, { rules: { validFrom } });
    for (const { mapper } of mappers) {
      let status = 404;
      while (status === 404) status = (await send('GET', `${mapper.url}/${key}`)).status;
      expect(status).to.equal(302);
      expect(Date.now()).to.be.at.least(Date.parse(validFrom));
    }
  });

  it('is 414 when the forwarded query makes the target too long for proxies', async () => {
    const longUrl = 'https://example.com/?a=1';
    const key = await makeLink(world, { longUrl, rules: { forwardQuery: true } });
    const room = 4_096 - longUrl.length - '&'.length;
    // Longer heads come to Node, not to the front.
    await onBoth(`/${key}?${'b'.repeat(room)}`, (answer) =>
      expect(answer.headers.location).to.equal(`${longUrl}&${'b'.repeat(room)}`),
    );
    await onBoth(`/${key}?${'b'.repeat(room + 1)}`, isProblem(414, 'location-too-long'));
  });

  it('is refused with what it was made for by a newer program', async () => {
    const odd: readonly unknown[] = [
      { redirectType: 303 },
      { targets: [{ when: { browser: ['x'] }, longUrl: 'https://a.example/' }] },
      { targets: [{ when: { device: ['tvos'] }, longUrl: 'https://a.example/' }] },
      { targets: [{ when: {}, longUrl: 'https://a.example/', share: 0.5 }] },
      { noindex: 'soon' },
    ];
    for (const rules of odd) {
      const key = await makeLink(world, { rules: rules as LinkRules });
      await onBoth(`/${key}`, isProblem(503, 'store-down'));
    }
  });

  it('counts as a click when it is followed, and not when somebody only looks, or is led elsewhere', async () => {
    const key = await makeLink(world, { rules: { redirectType: 307, forwardQuery: true } });
    const [early, expired] = await Promise.all([
      makeLink(world, { rules: { validFrom: '2999-01-01T00:00:00.000Z' } }),
      makeLink(world, { expiresAt: new Date('2020-01-01'), rules: { expiredUrl: 'https://example.com/' } }),
    ]);
    for (const { mapper } of mappers) {
      for (const path of [`/${key}+`, `/${early}`, `/${expired}`]) await send('GET', `${mapper.url}${path}`);
      await send('HEAD', `${mapper.url}/${key}`);
      await send('GET', `${mapper.url}/${key}`, { headers: { 'sec-purpose': 'prefetch' } });
      await send('GET', `${mapper.url}/${key}?${'b'.repeat(4_096)}`);
      for (const path of ['', '?a=1', '/']) await send('GET', `${mapper.url}/${key}${path}`);
    }
    const clicks = async (): Promise<Record<string, number>> => {
      const found = await Promise.all(
        world.urls.map(async ({ sql }) =>
          sql.query('SELECT unique_id, humans + bots AS n FROM click_totals WHERE unique_id IN (?)', [
            [key, early, expired],
          ]),
        ),
      );
      const rows = found.flatMap(([found]) => found as { unique_id: string; n: string }[]);
      return Object.fromEntries(rows.map(({ unique_id: id, n }) => [id, Number(n)]));
    };
    await until('the clicks to be stored', async () => ((await clicks())[key] ?? 0) >= 6);
    expect(await clicks()).to.deep.equal({ [key]: 6 });
  });

  describe('for a browser', () => {
    it('is a page for 404 and 410, with the same answer for programs as ever', async () => {
      const disabled = await makeLink(world, { rules: { disabled: true } });
      const expired = await makeLink(world, { expiresAt: new Date('2020-01-01') });
      for (const [path, status, kind, text] of [
        ['/never-made', 404, 'unknown-key', 'There is no such link'],
        ['/x', 404, 'unknown-key', 'There is no such link'],
        [`/${disabled}`, 410, 'link-disabled', 'This link is switched off.'],
        [`/${expired}`, 410, 'link-expired', 'This link has expired.'],
        [`/${expired}/`, 410, 'link-expired', 'This link has expired.'],
      ] as const) {
        await onBoth(path, isPage(status, text), { headers: BROWSER });
        await onBoth(path, isProblem(status, kind));
        await onBoth(path, isProblem(status, kind), { headers: { accept: '*/*' } });
        await onBoth(path, isProblem(status, kind), {
          headers: { accept: 'application/json, text/html;q=0.9' },
        });
        await onBoth(path, isProblem(status, kind), { headers: { accept: 'text/html;q=0' } });
        await onBoth(path, (answer) => expect([answer.status, answer.text]).to.deep.equal([status, '']), {
          headers: BROWSER,
          method: 'HEAD',
        });
      }
      await onBoth('/one/two/three', isPage(404, 'There is no such link'), { headers: BROWSER });
      await onBoth('/one/two/three', isProblem(404, 'not-found'));
      await onBoth('/urls/two/three', isProblem(404, 'not-found'), { headers: BROWSER });
      await onBoth('/', isProblem(404, 'not-found'));
    });

    it('is a page for 503 and 429', async () => {
      const odd = await makeLink(world, { rules: { tomorrow: true } });
      await onBoth(`/${odd}`, isPageFor503, { headers: BROWSER });
      const limits = { ...NO_LIMITS, perMinute: { ...NO_LIMITS.perMinute, 'not-found': 1 }, loopback: true };
      for (const hasFastPaths of [true, false]) {
        const strict = await world.start({ limits, hasFastPaths });
        await send('GET', `${strict.url}/never-made`, { headers: BROWSER });
        const answer = await send('GET', `${strict.url}/never-made`, { headers: BROWSER });
        isPage(429, 'Too many requests')(answer);
        expect(answer.headers).to.include.keys('retry-after', 'ratelimit');
        // As a browser sends it, on a connection that stays open: to the front.
        const kept = 'GET /never-made HTTP/1.1\r\nHost: x\r\nAccept: text/html,*/*;q=0.8\r\n\r\n';
        const raw = await sendRaw(strict.url, kept, '</html>');
        expect(raw).to.match(/^HTTP\/1\.1 429 .*\r\nRateLimit: .*\r\nVary: Accept\r\n/s);
        const program = await send('GET', `${strict.url}/never-made`);
        expect(program.headers['content-type']).to.equal('application/problem+json');
      }
    });

    function isPageFor503(answer: Answer): void {
      expect(answer.status).to.equal(503);
      expect(answer.headers).to.include({ 'content-type': 'text/html; charset=utf-8', 'retry-after': '1' });
      expect(answer.text).to.include('This server is too old for this link.');
    }
  });

  describe('as a preview', () => {
    it('shows the target of a plain link as text, however it is typed', async () => {
      const longUrl = 'https://example.com/?a=1&b=%22<x>'.replace('<x>', '%3Cx%3E');
      for (const { mapper } of mappers)
        await shorten(mapper.url, { long_url: longUrl, custom_alias: 'previewed-plain' });
      for (const path of ['+', '%2B', '%2b', '+/', '+.', '+?q=1']) {
        await onBoth(`/previewed-plain${path}`, (answer) => {
          expect(answer.status).to.equal(200);
          expect(answer.headers).to.include({ vary: 'Accept', 'cache-control': 'no-store' });
          expect(answer.json()).to.include({ unique_id: 'previewed-plain', long_url: longUrl });
        });
      }
      await onBoth(
        '/previewed-plain+',
        (answer) => {
          isPage(200, `<code>${longUrl.replaceAll('&', '&amp;')}</code>`)(answer);
          expect(answer.text).to.not.include(`href="${longUrl}`);
        },
        { headers: BROWSER },
      );
    });

    it('is refused as the link is', async () => {
      const disabled = await makeLink(world, { rules: { disabled: true } });
      await onBoth('/never-made+', isProblem(404, 'unknown-key'));
      await onBoth(`/${disabled}+`, isProblem(410, 'link-disabled'));
      await onBoth(`/${disabled}+`, isPage(410, 'switched off'), { headers: BROWSER });
      await onBoth(`/${disabled}++`, isProblem(404, 'unknown-key'));
    });
  });
});
