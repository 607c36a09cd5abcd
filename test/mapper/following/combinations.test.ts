import { expect } from 'chai';
import { Connection } from '../../../bench/load/connection.ts';
import type { LinkRules } from '../../../db/urls/link-rules.ts';
import { send, sendRaw } from '../client.ts';
import { createWorld, NO_LIMITS, type TestMapper, type World } from '../world.ts';
import {
  CHOICES,
  EXPIRIES,
  type Expiry,
  expectedHead,
  formatVisit,
  headOf,
  pathOf,
  QUERIES,
  reckon,
  TARGET,
  VISITORS,
  type Link,
} from './reckoning.ts';
import { makeLinks } from './ruled-links.ts';

const PLAIN_TARGET = 'https://example.com/plain';

/** Every combination of rules. */
function combine(): Omit<Link, 'key'>[] {
  const links: Omit<Link, 'key'>[] = [];
  for (const longUrl of [TARGET, PLAIN_TARGET])
    for (const choice of Object.keys(CHOICES))
      for (const expiry of Object.keys(EXPIRIES) as Expiry[])
        for (const isForwarding of [false, true])
          for (const redirectType of [undefined, 301, 307, 308] as const)
            for (const isHidden of [false, true]) {
              const targets = CHOICES[choice];
              const rules: LinkRules = {
                ...(targets && { targets }),
                ...EXPIRIES[expiry].rules,
                ...(isForwarding && { forwardQuery: true }),
                ...(redirectType && { redirectType }),
                ...(isHidden && { noindex: true }),
              };
              links.push({ longUrl, rules, choice, expiry });
            }
  return links;
}

describe('every combination of rules', () => {
  let world: World;
  let links: Link[];
  const mappers: { name: string; mapper: TestMapper; connection: Connection; headers: string }[] = [];

  before(async function () {
    this.timeout(60_000);
    world = await createWorld({ keys: 10 });
    const settings = {
      publicUrl: 'https://go.example',
      following: { countryHeader: 'CF-IPCountry' },
      limits: { ...NO_LIMITS, trustedProxies: ['127.0.0.0/8'] },
    };
    const fast = await world.start(settings);
    const koa = await world.start({ ...settings, hasFastPaths: false });
    const combined = combine();
    const keys = await makeLinks(
      world,
      combined.map(({ longUrl, rules, expiry }) => ({
        longUrl,
        rules,
        expiresAt: EXPIRIES[expiry].expiresAt,
      })),
    );
    links = combined.map((link, index) => ({ ...link, key: keys[index] ?? '' }));
    const open = async (name: string, mapper: TestMapper, headers = ''): Promise<void> => {
      mappers.push({ name, mapper, connection: await Connection.open(mapper.url), headers });
    };
    await open('the front', fast);
    await open('the fast path behind Node', fast, 'X-Request-Id: mine\r\n');
    await open('Koa', koa);
  });

  after(async function () {
    this.timeout(60_000);
    for (const { connection } of mappers) connection.close();
    await world[Symbol.asyncDispose]();
  });

  it('leads exactly where the rules say, on every way through a mapper', async function () {
    this.timeout(60_000);
    let redirects = 0;
    for (const { name, connection, headers: more } of mappers)
      for (const link of links)
        for (const [visitor, { headers, expected }] of Object.entries(VISITORS))
          for (const query of link.expiry === 'never' ? QUERIES : QUERIES.slice(2, 3)) {
            const location = reckon(link, expected, query);
            const { raw } = await connection.ask(formatVisit('GET', pathOf(link.key, query), headers + more));
            const head = headOf(raw).slice(0, location === undefined ? 2 : undefined);
            const story = `${name}, ${visitor}, ?${query}, ${JSON.stringify(link)}`;
            expect(head, story).to.deep.equal(expectedHead(link, location));
            if (location !== undefined) redirects += 1;
          }
    expect(redirects).to.be.greaterThan(5_000);
    const [front] = mappers;
    const { text } = await send('GET', `${front?.mapper.adminUrl}/metrics`);
    // One has the header that the front leaves to Node. The other was never handed over.
    expect(text).to.match(/^keymill_http_connections\{served_by="front"\} 1$/m);
  });

  it('answers HEAD as GET', async function () {
    this.timeout(60_000);
    const { headers = '', expected = {} } = VISITORS['an iPhone in Switzerland'] ?? {};
    const some = links.filter((_, index) => index % 7 === 0);
    for (const { name, mapper, headers: more } of mappers)
      for (const link of some) {
        const location = reckon(link, expected, 'own=3');
        const raw = await sendRaw(
          mapper.url,
          formatVisit('HEAD', pathOf(link.key, 'own=3'), headers + more),
          '\r\n\r\n',
        );
        const head = headOf(raw).slice(0, location === undefined ? 2 : undefined);
        expect(head, `${name}, ${JSON.stringify(link)}`).to.deep.equal(expectedHead(link, location));
      }
  });

  it('shows in a preview where the redirect would lead, as text, and redirects nobody', async function () {
    this.timeout(60_000);
    const plain = links.filter(
      ({ rules }) => rules.redirectType === undefined && rules.noindex === undefined,
    );
    for (const { name, connection } of mappers)
      for (const link of plain)
        for (const { headers, expected } of Object.values(VISITORS))
          for (const accept of ['', 'Accept: text/html,*/*;q=0.8\r\n']) {
            const location = reckon(link, expected, 'own=3');
            const request = formatVisit('GET', `/${link.key}+?own=3`, headers + accept);
            const { status, raw, body } = await connection.ask(request);
            const story = `${name}, ${accept}, ${JSON.stringify(link)}: ${raw}`;
            expect(raw, story).to.not.match(/^location:/im);
            expect(status, story).to.equal(location === undefined ? 410 : 200);
            if (location === undefined) continue;
            if (accept === '') {
              expect(JSON.parse(body), story).to.deep.equal({
                unique_id: link.key,
                short_url: `https://go.example/${link.key}`,
                long_url: location,
                has_password: false,
                has_max_visits: false,
              });
            } else {
              expect(body, story).to.include(`<code>${location.replaceAll('&', '&amp;')}</code>`);
              expect(raw, story).to.match(/^Content-Security-Policy: default-src 'none';/m);
            }
          }
  });
});
