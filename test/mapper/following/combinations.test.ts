import { expect } from 'chai';
import { Connection } from '../../../bench/load/connection.ts';
import type { LinkRules } from '../../../db/urls/link-rules.ts';
import { send, sendRaw } from '../client.ts';
import { createWorld, NO_LIMITS, type TestMapper, type World } from '../world.ts';
import { makeLinks } from './ruled-links.ts';

/* Every combination of the rules of a link and of what a request says, against a reckoning of its own. */

const TARGET = 'https://example.com/t?own=1&own=2#part';
const PLAIN_TARGET = 'https://example.com/plain';
const GONE = 'https://example.com/gone?why=old#end';

/** Which of {@link CHOICES} each visitor gets, reckoned by hand; absent: the target of the link. */
type Expected = Readonly<Partial<Record<string, string>>>;

const VISITORS: Readonly<Record<string, { readonly headers: string; readonly expected: Expected }>> = {
  'an iPhone in Switzerland': {
    headers:
      'User-Agent: Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X)\r\nCF-IPCountry: CH\r\nAccept-Language: de-CH, fr;q=0.5\r\n',
    expected: {
      devices: 'https://ios.example/',
      countries: 'https://ch.example/?c=1',
      languages: 'https://de.example/',
      mixed: 'https://ios-ch.example/#x',
    },
  },
  'an Android in the United States': {
    headers:
      'User-Agent: Mozilla/5.0 (Linux; Android 15; Pixel 9)\r\nCF-IPCountry: us\r\nAccept-Language: en-US,en;q=0.9,fr;q=0.1\r\n',
    expected: {
      devices: 'https://android.example/a?b=%20',
      languages: 'https://fr.example/#f',
      mixed: 'https://fr.example/?q#f',
    },
  },
  'a Mac in Liechtenstein': {
    headers:
      'User-Agent: Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)\r\nCF-IPCountry: LI\r\nAccept-Language: fr;q=0.2, de;q=0.3\r\n',
    expected: {
      countries: 'https://ch.example/?c=1',
      languages: 'https://de.example/',
      mixed: 'https://fr.example/?q#f',
    },
  },
  nobody: { headers: '', expected: {} },
};

const CHOICES: Readonly<Record<string, LinkRules['targets']>> = {
  none: undefined,
  devices: [
    { when: { device: ['ios'] }, longUrl: 'https://ios.example/' },
    { when: { device: ['windows', 'android'] }, longUrl: 'https://android.example/a?b=%20' },
  ],
  countries: [{ when: { country: ['CH', 'LI'] }, longUrl: 'https://ch.example/?c=1' }],
  languages: [
    { when: { language: ['fr'] }, longUrl: 'https://fr.example/#f' },
    { when: { language: ['de', 'it'] }, longUrl: 'https://de.example/' },
  ],
  mixed: [
    {
      when: { device: ['ios', 'macos'], country: ['CH'], language: ['de'] },
      longUrl: 'https://ios-ch.example/#x',
    },
    { when: { language: ['fr'] }, longUrl: 'https://fr.example/?q#f' },
  ],
};

const VARY: Readonly<Record<string, string>> = {
  devices: 'User-Agent',
  countries: 'CF-IPCountry',
  languages: 'Accept-Language',
  mixed: 'User-Agent, Accept-Language, CF-IPCountry',
};

const EXPIRIES = {
  never: {},
  past: { expiresAt: new Date('2020-01-01T00:00:00Z') },
  'past with somewhere to go': { expiresAt: new Date('2020-01-01T00:00:00Z'), expiredUrl: GONE },
} as const;

const QUERIES = [undefined, '', 'own=3', 'a=%20b&&c=+d;%C3%BC=?x'];

interface Link {
  readonly key: string;
  readonly longUrl: string;
  readonly rules: LinkRules;
  readonly choice: string;
  readonly expiry: keyof typeof EXPIRIES;
}

/** Every combination of rules. */
function combine(): Omit<Link, 'key'>[] {
  const links: Omit<Link, 'key'>[] = [];
  for (const longUrl of [TARGET, PLAIN_TARGET])
    for (const choice of Object.keys(CHOICES))
      for (const expiry of Object.keys(EXPIRIES) as Link['expiry'][])
        for (const isForwarding of [false, true])
          for (const redirectType of [undefined, 301, 307, 308] as const)
            for (const isHidden of [false, true]) {
              const [targets, ending] = [CHOICES[choice], EXPIRIES[expiry]];
              const rules: LinkRules = {
                ...(targets && { targets }),
                ...('expiredUrl' in ending && { expiredUrl: ending.expiredUrl }),
                ...(isForwarding && { forwardQuery: true }),
                ...(redirectType && { redirectType }),
                ...(isHidden && { noindex: true }),
              };
              links.push({ longUrl, rules, choice, expiry });
            }
  return links;
}

/** Where the rules lead, by the parts of the URL and not by its text. */
function reckon(
  { longUrl, rules, choice, expiry }: Link,
  expected: Expected,
  query: string | undefined,
): string | undefined {
  if (expiry === 'past') return undefined;
  if (expiry !== 'never') return GONE;
  const target = expected[choice] ?? longUrl;
  if (rules.forwardQuery !== true || query === undefined || query === '') return target;
  const { origin, pathname, search, hash } = new URL(target);
  return `${origin}${pathname}${search === '' ? '?' : `${search}&`}${query}${hash}`;
}

/** The status line and the headers that the answer must have, in their order. */
function expectedHead(link: Link, location: string | undefined): string[] {
  if (location === undefined) return ['HTTP/1.1 410 Gone', 'Cache-Control: no-store'];
  const { redirectType = 302, noindex } = link.rules;
  const status = link.expiry === 'never' ? redirectType : 302;
  const reasons = {
    301: 'Moved Permanently',
    302: 'Found',
    307: 'Temporary Redirect',
    308: 'Permanent Redirect',
  };
  const vary = VARY[link.choice];
  return [
    `HTTP/1.1 ${status} ${reasons[status]}`,
    'Content-Length: 0',
    `Location: ${location}`,
    'Cache-Control: private, max-age=0',
    ...(vary === undefined ? [] : [`Vary: ${vary}`]),
    ...(noindex === true ? ['X-Robots-Tag: noindex'] : []),
  ];
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
    const rows = combined.map(({ longUrl, rules, expiry }) => ({
      longUrl,
      rules,
      expiresAt: null,
      ...EXPIRIES[expiry],
    }));
    const keys = await makeLinks(
      world,
      rows.map(({ longUrl, rules, expiresAt }) => ({ longUrl, rules, expiresAt })),
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
    this.timeout(20_000);
    for (const { connection } of mappers) connection.close();
    await world[Symbol.asyncDispose]();
  });

  const format = (method: string, path: string, headers: string): string =>
    `${method} ${path} HTTP/1.1\r\nHost: go.example\r\n${headers}\r\n`;

  const pathOf = (key: string, query: string | undefined): string =>
    query === undefined ? `/${key}` : `/${key}?${query}`;

  /** The lines of a head that are the same for all answers are left out. */
  function headOf(raw: string): string[] {
    const [head = ''] = raw.split('\r\n\r\n', 1);
    return head.split('\r\n').filter((line) => !/^(?:X-Request-Id|Date|Connection|Keep-Alive):/.test(line));
  }

  it('leads exactly where the rules say, on every way through a mapper', async function () {
    this.timeout(60_000);
    let redirects = 0;
    for (const { name, connection, headers: more } of mappers)
      for (const link of links)
        for (const [visitor, { headers, expected }] of Object.entries(VISITORS))
          for (const query of link.expiry === 'never' ? QUERIES : QUERIES.slice(2, 3)) {
            const location = reckon(link, expected, query);
            const { raw } = await connection.ask(format('GET', pathOf(link.key, query), headers + more));
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
          format('HEAD', pathOf(link.key, 'own=3'), headers + more),
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
            const request = format('GET', `/${link.key}+?own=3`, headers + accept);
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
