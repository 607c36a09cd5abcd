import { expect } from 'chai';
import * as fc from 'fast-check';
import { sendRaw, shorten } from './client.ts';
import { createWorld, type TestMapper, type World } from './world.ts';

describe('arbitrary input over HTTP', () => {
  let world: World;
  let mapper: TestMapper;

  before(async function () {
    this.timeout(60_000);
    world = await createWorld({ shards: 1, databases: 1, keys: 2_000 });
    mapper = await world.start();
  });

  after(async function () {
    this.timeout(60_000);
    await world[Symbol.asyncDispose]();
  });

  async function statusOf(bytes: string): Promise<number> {
    const answer = await sendRaw(mapper.url, bytes);
    return Number(/^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1]);
  }

  it('any path is a link, unknown or malformed, and never answered with 500', async () => {
    const part = fc.oneof(
      fc.string({ unit: 'grapheme-ascii' }),
      fc.constantFrom(
        '%',
        '%2',
        '%zz',
        '%00',
        '%2e%2e',
        '//',
        '/./',
        '?',
        '#',
        'urls',
        'URLS',
        'http://',
        '\\',
        '*',
      ),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(part, { maxLength: 5 }),
        fc.constantFrom('GET', 'HEAD', 'POST', 'DELETE', 'OPTIONS'),
        async (parts, method) => {
          const path = `/${parts.join('')}`.replaceAll(/[\r\n]/g, '');
          const status = await statusOf(`${method} ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
          expect(status, path).to.be.oneOf([400, 401, 404, 405, 415]);
        },
      ),
      { numRuns: 100 },
    );
  });

  it('any JSON makes a link or is refused with reasons', async () => {
    const field = fc.oneof(
      fc.jsonValue({ maxDepth: 2 }),
      fc.webUrl(),
      fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
    );
    const body = fc.oneof(
      fc.jsonValue(),
      fc.record({ long_url: field, custom_alias: field, expiration_date: field }, { requiredKeys: [] }),
      fc.record({ long_url: fc.webUrl(), custom_alias: fc.string({ unit: 'binary', maxLength: 70 }) }),
    );
    await fc.assert(
      fc.asyncProperty(body, async (value) => {
        const answer = await shorten(mapper.url, JSON.stringify(value));
        expect(answer.status, JSON.stringify(value)).to.be.oneOf([201, 409, 422]);
        if (answer.status === 422) expect(answer.json()['errors']).to.be.an('array').and.not.have.length(0);
      }),
      { numRuns: 100 },
    );
  });

  it('any text as a body makes a link, is refused, or is not JSON', async () => {
    const texts = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.json().map((json) => json.slice(0, -1)),
      fc.json().map((json) => `${json}${json}`),
    );
    await fc.assert(
      fc.asyncProperty(texts, async (text) => {
        expect((await shorten(mapper.url, text)).status, text).to.be.oneOf([201, 400, 422]);
      }),
      { numRuns: 100 },
    );
  });

  it('bytes that are not HTTP end their own connection only', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary-ascii', minLength: 1, maxLength: 200 }), async (bytes) => {
        const answer = await sendRaw(mapper.url, `!${bytes}\r\n\r\n`, '}');
        expect(answer).to.match(/^(HTTP\/1\.1 4\d\d |$)/);
      }),
      { numRuns: 100 },
    );
    expect((await shorten(mapper.url, { long_url: 'https://example.com/' })).status).to.equal(201);
  });
});
