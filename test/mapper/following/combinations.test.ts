import { expect } from 'chai';
import { Connection } from '../../../bench/load/connection.ts';
import type { LinkRules } from '../../../db/urls/link-rules.ts';
import { until } from '../../until.ts';
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

/** The ways through a mapper. */
const WAYS = [
  { name: 'the front', isFast: true, headers: '', ofFront: 1 },
  // It has a header that the front leaves to Node.
  { name: 'the fast path behind Node', isFast: true, headers: 'X-Request-Id: mine\r\n', ofFront: 0 },
  { name: 'Koa', isFast: false, headers: '', ofFront: 0 },
] as const;

describe('every combination of rules', () => {
  let world: World;
  let links: Link[];
  let fast: TestMapper;
  let koa: TestMapper;

  before(async function () {
    this.timeout(60_000);
    world = await createWorld({ keys: 10 });
    const settings = {
      publicUrl: 'https://go.example',
      following: { countryHeader: 'CF-IPCountry' },
      limits: { ...NO_LIMITS, trustedProxies: ['127.0.0.0/8'] },
    };
    fast = await world.start(settings);
    koa = await world.start({ ...settings, hasFastPaths: false });
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
  });

  after(async function () {
    this.timeout(60_000);
    await world[Symbol.asyncDispose]();
  });

  for (const { name, isFast, headers: more, ofFront } of WAYS)
    it(`leads exactly where the rules say, through ${name}`, async function () {
      this.timeout(60_000);
      const mapper = isFast ? fast : koa;
      // Not earlier: a mapper closes connections that are idle for long.
      const connection = await Connection.open(mapper.url);
      let redirects = 0;
      for (const link of links)
        for (const [visitor, { headers, expected }] of Object.entries(VISITORS))
          for (const query of link.expiry === 'never' ? QUERIES : QUERIES.slice(2, 3)) {
            const location = reckon(link, expected, query);
            const { raw } = await connection.ask(formatVisit('GET', pathOf(link.key, query), headers + more));
            const head = headOf(raw).slice(0, location === undefined ? 2 : undefined);
            const story = `${visitor}, ?${query}, ${JSON.stringify(link)}`;
            expect(head, story).to.deep.equal(expectedHead(link, location));
            if (location !== undefined) redirects += 1;
          }
      expect(redirects).to.be.greaterThan(1_666);
      // The connection of another way may be there for another moment.
      await until('the connections of the front', async () => {
        const { text } = await send('GET', `${mapper.adminUrl}/metrics`);
        return text.includes(`\nkeymill_http_connections{served_by="front"} ${ofFront}\n`);
      });
      connection.close();
    });

  it('answers HEAD as GET', async function () {
    this.timeout(60_000);
    const { headers = '', expected = {} } = VISITORS['an iPhone in Switzerland'] ?? {};
    const some = links.filter((_, index) => index % 7 === 0);
    for (const { name, isFast, headers: more } of WAYS)
      for (const link of some) {
        const location = reckon(link, expected, 'own=3');
        const raw = await sendRaw(
          (isFast ? fast : koa).url,
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
    for (const { name, isFast } of WAYS) {
      const connection = await Connection.open((isFast ? fast : koa).url);
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
      connection.close();
    }
  });
});
