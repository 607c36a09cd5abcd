import { createHash } from 'node:crypto';
import { expect } from 'chai';
import type { LinkRules } from '../../../db/urls/link-rules.ts';
import { hashPassword } from '../../../mapper/auth/password-hash.ts';
import { send, sendRaw, type Answer } from '../client.ts';
import { createWorld, type TestMapper, type World } from '../world.ts';
import { countEach, kindIn, storeLink } from '../visits/ruled-links.ts';

const PASSWORD = 'open sesame';
const TARGET = 'https://example.com/secret';
const BROWSER = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' };

describe('a link with a password', function () {
  this.timeout(60_000);
  let world: World;
  let mappers: readonly { name: string; mapper: TestMapper }[];
  let passwordHash: string;

  before(async function () {
    this.timeout(60_000);
    world = await createWorld({ keys: 10 });
    mappers = [
      { name: 'fast paths', mapper: await world.start() },
      { name: 'Koa', mapper: await world.start({ hasFastPaths: false }) },
    ];
    passwordHash = await hashPassword(PASSWORD);
  });

  after(async function () {
    this.timeout(60_000);
    await world[Symbol.asyncDispose]();
  });

  async function make(rules: LinkRules = {}, fields: object = {}): Promise<string> {
    return storeLink(world, { longUrl: TARGET, rules: { passwordHash, ...rules }, ...fields });
  }

  async function onBoth(expectation: (url: string) => Promise<void>): Promise<void> {
    for (const { name, mapper } of mappers)
      await expectation(mapper.url).catch((cause: unknown) => {
        throw new Error(name, { cause });
      });
  }

  /** Without what differs from answer to answer. The body may not have arrived. */
  function comparable(answer: string): string {
    const [head = ''] = answer.split('\r\n\r\n');
    return head.replace(/^Date: .*$/m, 'Date: …').replace(/^(X-Request-Id: )[0-9a-f-]{36}/m, '$1…');
  }

  async function type(url: string, password: string, headers: Record<string, string> = {}): Promise<Answer> {
    const body = `password=${encodeURIComponent(password)}`;
    return send('POST', url, {
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
      body,
    });
  }

  /** What anybody may see: nothing of the target. */
  function expectHidden(answer: Answer): void {
    expect(answer.headers.location).to.equal(undefined);
    expect(JSON.stringify(answer.headers) + answer.text).not.to.include('secret');
    expect(answer.headers['cache-control']).to.equal('no-store');
  }

  it('is 401 without it, and says how it is sent', async () => {
    const key = await make();
    await onBoth(async (url) => {
      const answer = await send('GET', `${url}/${key}`);
      expectHidden(answer);
      expect([answer.status, kindIn(answer.text)]).to.deep.equal([401, 'link-password-needed']);
      expect(answer.headers['www-authenticate']).to.equal('X-Link-Password');
      expect(answer.headers['content-type']).to.equal('application/problem+json');
    });
  });

  it('shows a form to browsers, which works without scripts', async () => {
    const key = await make();
    await onBoth(async (url) => {
      const answer = await send('GET', `${url}/${key}`, { headers: BROWSER });
      expectHidden(answer);
      expect(answer.status).to.equal(401);
      expect(answer.headers['vary']).to.equal('Accept');
      expect(answer.headers['content-type']).to.equal('text/html; charset=utf-8');
      const policy = String(answer.headers['content-security-policy']);
      expect(policy).to.match(/^default-src 'none'; style-src 'sha256-[\w+/=]+'; base-uri 'none';/);
      // Chromium asks it also where the redirect after the form leads.
      expect(policy).to.include("form-action 'self' http: https:;");
      const [, style = ''] = /<style>([^]*)<\/style>/.exec(answer.text) ?? [];
      expect(policy).to.include(createHash('sha256').update(style).digest('base64'));
      expect(answer.text).not.to.match(/<script|\son[a-z]+=|style=|src=|http:|https:/);
      expect(answer.text).to.include('<html lang="en">').and.to.include('width=device-width');
      expect(answer.text).to.match(/<label>Password\s+<input type="password" name="password"[^>]*>/);
      expect(answer.text).to.include('autocomplete="current-password"').and.not.to.include('<p role="alert"');
    });
  });

  it('is followed with it: 303 from the form, whatever its redirect type, and the redirect with the header', async () => {
    for (const redirectType of [undefined, 301, 307, 308] as const) {
      const key = await make(redirectType && { redirectType });
      await onBoth(async (url) => {
        const typed = await type(`${url}/${key}`, PASSWORD, BROWSER);
        const { location, 'cache-control': cacheControl } = typed.headers;
        expect([typed.status, location, cacheControl]).to.deep.equal([303, TARGET, 'no-store']);
        const sent = await send('GET', `${url}/${key}`, { headers: { 'x-link-password': PASSWORD } });
        expect([sent.status, sent.headers.location]).to.deep.equal([redirectType ?? 302, TARGET]);
        expect(sent.headers['cache-control']).to.equal('no-store');
      });
    }
  });

  it('is followed and refused with the same bytes at the socket', async () => {
    const key = await make();
    const answers: string[][] = [];
    for (const { mapper } of mappers) {
      const seen: string[] = [];
      for (const header of ['', `X-Link-Password: ${PASSWORD}\r\n`, 'x-link-password: wrong\r\n']) {
        const bytes = `GET /${key} HTTP/1.1\r\nHost: x\r\nX-Request-Id: a\r\n${header}\r\n`;
        for (const request of [bytes, bytes.replace('X-Request-Id: a\r\n', '')])
          seen.push(comparable(await sendRaw(mapper.url, request, '\r\n\r\n')));
      }
      answers.push(seen);
    }
    expect(answers[0]?.map((answer) => answer.slice(9, 12))).to.deep.equal([
      '401',
      '401',
      '302',
      '302',
      '401',
      '401',
    ]);
    expect(answers[1]).to.deep.equal(answers[0]);
  });

  it('is 401 again with a wrong one, and the form says so', async () => {
    const key = await make();
    await onBoth(async (url) => {
      const page = await type(`${url}/${key}`, 'open barley', BROWSER);
      expectHidden(page);
      expect(page.status).to.equal(401);
      expect(page.text).to.include('<p role="alert" id="fault">').and.to.include('aria-describedby="fault"');
      expect(page.text).not.to.include('barley');
      for (const answer of [
        await type(`${url}/${key}`, 'open barley'),
        await send('GET', `${url}/${key}`, { headers: { 'x-link-password': 'open barley' } }),
      ]) {
        expectHidden(answer);
        expect([answer.status, kindIn(answer.text)]).to.deep.equal([401, 'wrong-link-password']);
      }
    });
  });

  it('takes letters of any alphabet, in the form and in the header', async () => {
    const key = await make({ passwordHash: await hashPassword('Grüße 🌍') });
    const header = Buffer.from('Grüße 🌍').toString('latin1');
    await onBoth(async (url) => {
      expect((await type(`${url}/${key}`, 'Grüße 🌍')).status).to.equal(303);
      const sent = await send('GET', `${url}/${key}`, { headers: { 'x-link-password': header } });
      expect(sent.status).to.equal(302);
    });
  });

  it('tells nothing to HEAD, to previews, and to bots', async () => {
    const key = await make();
    await onBoth(async (url) => {
      for (const headers of [{}, { 'x-link-password': PASSWORD }]) {
        const head = await send('HEAD', `${url}/${key}`, { headers });
        expectHidden(head);
        expect(head.status).to.equal(200);
      }
      const preview = await send('GET', `${url}/${key}+`, { headers: { 'x-link-password': PASSWORD } });
      expectHidden(preview);
      expect(preview.status).to.equal(200);
      const bot = await send('GET', `${url}/${key}`, {
        headers: { 'user-agent': 'Slackbot-LinkExpanding 1.0' },
      });
      expectHidden(bot);
      expect(bot.status).to.equal(200);
    });
  });

  it('is judged before its password is asked for', async () => {
    for (const [rules, fields, expected] of [
      [{ disabled: true }, {}, '410 link-disabled'],
      [{ blocked: 'phishing' }, {}, '410 link-blocked'],
      [{}, { expiresAt: new Date(Date.now() - 1_000) }, '410 link-expired'],
    ] as const) {
      const key = await make(rules, fields);
      await onBoth(async (url) => {
        const answers = [await send('GET', `${url}/${key}`), await type(`${url}/${key}`, PASSWORD)];
        for (const answer of answers) expect(`${answer.status} ${kindIn(answer.text)}`).to.equal(expected);
      });
    }
    // As if there were none.
    const later = await make({ validFrom: new Date(Date.now() + 60_000).toISOString() });
    await onBoth(async (url) => {
      for (const key of [later, 'no-such-link']) {
        expect((await send('GET', `${url}/${key}`)).status).to.equal(404);
        const typed = await type(`${url}/${key}`, PASSWORD);
        expect([typed.status, typed.headers.allow]).to.deep.equal([405, 'GET, HEAD']);
      }
    });
  });

  it('is asked for before a visit is used up', async () => {
    const key = await make({ maxVisits: 2 });
    await onBoth(async (url) => {
      expect((await send('GET', `${url}/${key}`)).status).to.equal(401);
      expect((await type(`${url}/${key}`, 'wrong')).status).to.equal(401);
      expect((await send('HEAD', `${url}/${key}`)).status).to.equal(200);
      expect((await type(`${url}/${key}`, PASSWORD)).status).to.equal(303);
    });
    await onBoth(async (url) => {
      const answer = await type(`${url}/${key}`, PASSWORD);
      expectHidden(answer);
      expect(`${answer.status} ${kindIn(answer.text)}`).to.equal('410 link-used-up');
      expect((await type(`${url}/${key}`, 'wrong')).status).to.equal(401);
    });
  });

  it('takes only a small form with one password', async () => {
    const key = await make();
    await onBoth(async (url) => {
      const form = 'application/x-www-form-urlencoded';
      const post = async (body: string, contentType = form): Promise<string> => {
        const answer = await send('POST', `${url}/${key}`, {
          headers: { 'content-type': contentType },
          body,
        });
        expectHiddenTarget(answer);
        return `${answer.status} ${kindIn(answer.text)}`;
      };
      expect(await post('{"password":"open sesame"}', 'application/json')).to.equal('415 not-form');
      expect(await post('password=a&password=b')).to.equal('422 invalid-request');
      expect(await post('')).to.equal('401 link-password-needed');
      expect(await post('name=x')).to.equal('401 link-password-needed');
      expect(await post(`password=${'a'.repeat(9_000)}`)).to.equal('413 too-large');
      expect(await post(`password=${'a'.repeat(2_000)}`)).to.equal('401 wrong-link-password');
      expect(await post('password=%ff')).to.equal('400 malformed-form');
      expect(await post('password=open+sesame;x', `${form}; charset=UTF-8`)).to.equal(
        '401 wrong-link-password',
      );
    });
  });

  function expectHiddenTarget({ headers, text }: Answer): void {
    expect(JSON.stringify(headers) + text).not.to.include('secret');
  }

  it('allows POST, which other links do not', async () => {
    const [locked, plain, ruled] = [
      await make(),
      await storeLink(world, {}),
      await storeLink(world, { rules: { noindex: true } }),
    ];
    await onBoth(async (url) => {
      const methods = async (method: string, key: string): Promise<string> => {
        const headers = { 'content-type': 'application/x-www-form-urlencoded', 'content-length': '0' };
        const answer = await send(method, `${url}/${key}`, { headers });
        return `${answer.status} ${answer.headers.allow}`;
      };
      for (const key of [plain, ruled, 'no-such-link'])
        for (const method of ['POST', 'PUT', 'DELETE'])
          expect(await methods(method, key), `${method} ${key}`).to.equal('405 GET, HEAD');
      for (const method of ['PUT', 'DELETE'])
        expect(await methods(method, locked)).to.equal('405 GET, HEAD, POST');
      expect(await methods('POST', `${locked}+`)).to.equal('405 GET, HEAD');
    });
  });

  it('forgets what was right when the password changes', async () => {
    const key = await make();
    const brief = await world.start({ cache: { maxBytes: 2 ** 22, ttlMs: 1 } });
    expect((await type(`${brief.url}/${key}`, PASSWORD)).status).to.equal(303);
    const rules = JSON.stringify({ passwordHash: await hashPassword('another') });
    for (const { sql } of world.urls)
      await sql.query('UPDATE urls SET rules = ? WHERE unique_id = ?', [rules, key]);
    expect((await type(`${brief.url}/${key}`, PASSWORD)).status).to.equal(401);
    expect((await type(`${brief.url}/${key}`, 'another')).status).to.equal(303);
  });

  it('lets all in who send it at the same time, and hashes it once', async () => {
    const key = await make({ passwordHash: await hashPassword('for everybody') });
    await onBoth(async (url) => {
      const answers = await Promise.all(
        Array.from({ length: 100 }, async () => (await type(`${url}/${key}`, 'for everybody')).status),
      );
      expect(countEach(answers.map(String))).to.deep.equal({ 303: 100 });
    });
  });
});
