import { expect } from 'chai';
import { shorten } from './client.ts';
import { comparable } from './comparable-answer.ts';
import { converse } from './converse.ts';
import { createWorld, type TestMapper, type World } from './world.ts';

const CHUNKED = 'Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n';
const LINK = 'GET /followed HTTP/1.1\r\nHost: x\r\n\r\n';

/** First requests of a mapper: what loads Koa, or the API too, or only fails; each followed by another. */
const FIRST: Readonly<Record<string, string>> = {
  'a path of no key, as those who look for holes ask': 'GET /.env HTTP/1.1\r\nHost: x\r\n\r\n',
  'the API': 'GET /urls/followed HTTP/1.1\r\nHost: x\r\n\r\n',
  'a page': 'GET /login HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\n\r\n',
  'a file of a page that is not there': 'GET /static/x/y HTTP/1.1\r\nHost: x\r\n\r\n',
  robots: 'GET /robots.txt HTTP/1.1\r\nHost: x\r\n\r\n',
  'a link whose key is encoded': 'GET /%66ollowed HTTP/1.1\r\nHost: x\r\n\r\n',
  'a body whose end programs find in different places': `POST /urls HTTP/1.0\r\nHost: x\r\n${CHUNKED}`,
  'the same for a link': `GET /.env HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n${CHUNKED}`,
  'a coding that nobody knows': 'POST /urls HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: zip\r\n\r\n',
};

describe('a mapper that saves memory', () => {
  let world: World;
  let usual: TestMapper;

  before(async function () {
    this.timeout(60_000);
    world = await createWorld({ shards: 1, databases: 1, keys: 100, hasUsers: true });
    usual = await world.start({ publicUrl: 'https://go.example' });
    const made = await shorten(usual.url, { long_url: 'https://example.com/', custom_alias: 'followed' });
    expect(made.status).to.equal(201);
  });

  after(async function () {
    this.timeout(60_000);
    await world[Symbol.asyncDispose]();
  });

  async function ask({ url }: TestMapper, first: string): Promise<string> {
    const bytes = Buffer.from(first + LINK);
    return comparable(await converse(Number(new URL(url).port), [{ bytes, after: 0 }]));
  }

  for (const [what, first] of Object.entries(FIRST))
    it(`answers its first request as every other mapper: ${what}`, async function () {
      this.timeout(60_000);
      const mapper = await world.start({ publicUrl: 'https://go.example', savesMemory: true });
      const expected = await ask(usual, first);
      expect(await ask(mapper, first)).to.equal(expected);
      expect(await ask(mapper, first), 'again').to.equal(expected);
      await mapper.stop();
    });

  it('answers all who ask while it loads', async function () {
    this.timeout(60_000);
    const paths = ['/.env', '/', '/urls', '/login', '/openapi.json', '/docs', '/images/x', '/robots.txt'];
    const statuses = async ({ url }: TestMapper): Promise<number[]> =>
      Promise.all([...paths, ...paths].map(async (path) => (await fetch(url + path)).status));
    const mapper = await world.start({ savesMemory: true });
    expect(await statuses(mapper)).to.deep.equal(await statuses(usual));
    await mapper.stop();
  });
});
