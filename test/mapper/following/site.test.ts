import { expect } from 'chai';
import { readMapperConfig } from '../../../runtime/config/config.ts';
import { ConfigError } from '../../../runtime/config/env.ts';
import { send } from '../client.ts';
import { mapperEnvironment } from '../mapper-process.ts';
import { createWorld, NO_LIMITS, type TestMapper, type World } from '../world.ts';

const BROWSER = { accept: 'text/html,*/*;q=0.8' };
const ROOT_URL = 'https://example.com/welcome';
const NOT_FOUND_URL = 'https://example.com/no-such-link?from=go';

describe('what is asked of the domain and not of a link', () => {
  let world: World;
  let mappers: readonly TestMapper[];

  before(async function () {
    this.timeout(60_000);
    world = await createWorld({ shards: 1, databases: 1 });
    const perMinute = { ...NO_LIMITS.perMinute, 'not-found': 8 };
    const settings = {
      following: { rootUrl: ROOT_URL, notFoundUrl: NOT_FOUND_URL },
      limits: { ...NO_LIMITS, perMinute, trustedProxies: ['127.0.0.0/8'] },
    };
    mappers = [await world.start(settings), await world.start({ ...settings, hasFastPaths: false })];
  });

  after(async function () {
    this.timeout(60_000);
    await world[Symbol.asyncDispose]();
  });

  it('is answered by robots.txt: links may be followed, and nothing else', async () => {
    for (const { url } of mappers) {
      const answer = await send('GET', `${url}/robots.txt`);
      expect(answer.status).to.equal(200);
      expect(answer.headers['content-type']).to.equal('text/plain; charset=utf-8');
      const lines = answer.text.split('\n');
      expect(lines.slice(0, 3)).to.deep.equal(['User-agent: *', 'Allow: /', 'Disallow: /*+$']);
      expect(lines).to.include.members([
        'Disallow: /urls$',
        'Disallow: /urls/',
        'Disallow: /docs/',
        'Disallow: /users?',
        'Disallow: /settings/',
        'Disallow: /static/',
      ]);
      expect((await send('HEAD', `${url}/robots.txt`)).status).to.equal(200);
      expect((await send('POST', `${url}/robots.txt`)).status).to.equal(405);
      expect((await send('GET', `${url}/robots`)).status).to.equal(404);
    }
  });

  it('is sent on from / for everybody', async () => {
    for (const { url } of mappers)
      for (const headers of [{}, BROWSER])
        for (const method of ['GET', 'HEAD']) {
          const answer = await send(method, `${url}/`, { headers });
          expect([answer.status, answer.headers.location]).to.deep.equal([302, ROOT_URL]);
          expect(answer.headers['cache-control']).to.equal('private, max-age=0');
        }
  });

  it('is sent on from an unknown link for browsers alone, and counts as a miss', async () => {
    for (const [index, { url }] of mappers.entries()) {
      const from = { 'x-forwarded-for': `192.0.2.${index + 1}` };
      for (const path of ['/never-made', '/x', '/never-made+', '/never/made']) {
        const person = await send('GET', `${url}${path}`, { headers: { ...BROWSER, ...from } });
        expect([person.status, person.headers.location], path).to.deep.equal([302, NOT_FOUND_URL]);
        expect(person.headers).to.include({ vary: 'Accept', 'cache-control': 'no-store' });
        expect((await send('GET', `${url}${path}`, { headers: from })).status).to.equal(404);
      }
      // The 404 of /never/made says that there is nothing, so it is no miss.
      expect((await send('GET', `${url}/never-made`, { headers: from })).status).to.equal(404);
      expect((await send('GET', `${url}/never-made`, { headers: { ...BROWSER, ...from } })).status).to.equal(
        429,
      );
    }
  });

  it('is configured by URLs, and by a header that only trusted proxies may send', () => {
    const env = mapperEnvironment({ redis: [], urls: [] });
    const base = {
      ...env,
      KEYMILL_REDIS: 'redis-1=redis://x:1',
      KEYMILL_URLS_DBS: 'urls-1:0-31=mysql://u:p@x/y',
    };
    const faultsOf = (more: Record<string, string>): string[] => {
      try {
        readMapperConfig({ ...base, ...more });
        return [];
      } catch (error) {
        return error instanceof ConfigError ? error.faults.map(({ variable }) => variable) : [String(error)];
      }
    };
    const good = { KEYMILL_ROOT_URL: 'https://EXAMPLE.com', KEYMILL_NOT_FOUND_URL: NOT_FOUND_URL };
    expect(readMapperConfig({ ...base, ...good }).following).to.deep.equal({
      rootUrl: 'https://example.com/',
      notFoundUrl: NOT_FOUND_URL,
      countryHeader: undefined,
      countryFile: undefined,
      hasStylePage: false,
    });
    expect(faultsOf({ KEYMILL_ROOT_URL: '/welcome' })).to.deep.equal(['KEYMILL_ROOT_URL']);
    expect(faultsOf({ KEYMILL_NOT_FOUND_URL: 'javascript:alert(1)' })).to.deep.equal([
      'KEYMILL_NOT_FOUND_URL',
    ]);
    expect(faultsOf({ KEYMILL_COUNTRY_HEADER: 'CF-IPCountry' })).to.deep.equal(['KEYMILL_COUNTRY_HEADER']);
    const proxies = { KEYMILL_TRUSTED_PROXIES: '10.0.0.0/8' };
    expect(faultsOf({ KEYMILL_COUNTRY_HEADER: 'Host: x', ...proxies })).to.deep.equal([
      'KEYMILL_COUNTRY_HEADER',
    ]);
    expect(faultsOf({ KEYMILL_COUNTRY_HEADER: 'CF-IPCountry', ...proxies })).to.deep.equal([]);
  });
});
