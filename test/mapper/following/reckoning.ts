import type { LinkRules } from '../../../db/urls/link-rules.ts';

/* Rules of links, requests, and a reckoning of where they lead that shares no code with the mapper. */

export const TARGET = 'https://example.com/t?own=1&own=2#part';
export const GONE = 'https://example.com/gone?why=old#end';

/** Which of {@link CHOICES} each visitor gets, reckoned by hand; absent: the target of the link. */
export type Expected = Readonly<Partial<Record<string, string>>>;

export const VISITORS: Readonly<Record<string, { readonly headers: string; readonly expected: Expected }>> = {
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

export const CHOICES: Readonly<Record<string, LinkRules['targets']>> = {
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

const PAST = new Date('2020-01-01T00:00:00Z');

export type Expiry = 'never' | 'past' | 'past with somewhere to go';

export const EXPIRIES: Readonly<
  Record<Expiry, { readonly expiresAt: Date | null; readonly rules: LinkRules }>
> = {
  never: { expiresAt: null, rules: {} },
  past: { expiresAt: PAST, rules: {} },
  'past with somewhere to go': { expiresAt: PAST, rules: { expiredUrl: GONE } },
};

export const QUERIES = [undefined, '', 'own=3', 'a=%20b&&c=+d;%C3%BC=?x'];

export interface Link {
  readonly key: string;
  readonly longUrl: string;
  readonly rules: LinkRules;
  readonly choice: string;
  readonly expiry: Expiry;
}

/** Where the rules lead, by the parts of the URL and not by its text. */
export function reckon(
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

const REASONS = {
  301: 'Moved Permanently',
  302: 'Found',
  303: 'See Other',
  307: 'Temporary Redirect',
  308: 'Permanent Redirect',
};

/** The status line and the headers that the answer must have, in their order. */
export function expectedHead(link: Link, location: string | undefined, isForm = false): string[] {
  if (location === undefined) return ['HTTP/1.1 410 Gone', 'Cache-Control: no-store'];
  const { redirectType = 302, noindex, passwordHash, maxVisits } = link.rules;
  const usual = link.expiry === 'never' ? redirectType : 302;
  const status = isForm ? 303 : usual;
  const isGuarded = passwordHash !== undefined || maxVisits !== undefined;
  const vary = VARY[link.choice];
  return [
    `HTTP/1.1 ${status} ${REASONS[status]}`,
    'Content-Length: 0',
    `Location: ${location}`,
    `Cache-Control: ${isGuarded ? 'no-store' : 'private, max-age=0'}`,
    ...(vary === undefined ? [] : [`Vary: ${vary}`]),
    ...(noindex === true ? ['X-Robots-Tag: noindex'] : []),
  ];
}

/** The lines of a head that are the same for all answers are left out. */
export function headOf(raw: string): string[] {
  const [head = ''] = raw.split('\r\n\r\n', 1);
  return head.split('\r\n').filter((line) => !/^(?:X-Request-Id|Date|Connection|Keep-Alive):/.test(line));
}

export function formatVisit(method: string, path: string, headers: string): string {
  return `${method} ${path} HTTP/1.1\r\nHost: go.example\r\n${headers}\r\n`;
}

export function pathOf(key: string, query: string | undefined): string {
  return query === undefined ? `/${key}` : `/${key}?${query}`;
}
