import { expect } from 'chai';
import * as fc from 'fast-check';
import { HOUR_MS } from '../../../db/clicks/click-flush.ts';
import type { RawClick } from '../../../mapper/clicks/click-ring.ts';
import {
  labelOf,
  type ClickDimension,
  type Label,
  type Resolved,
} from '../../../mapper/clicks/resolved-click.ts';
import { ClickReader } from '../../../mapper/dimensions/click-reader.ts';
import { Languages } from '../../../mapper/dimensions/languages.ts';
import { Referrers } from '../../../mapper/dimensions/referrers.ts';
import { UserAgents, writeWithoutMinors } from '../../../mapper/dimensions/user-agents.ts';
import { VisitorHash } from '../../../mapper/dimensions/visitor-hash.ts';
import { toRawHead } from '../../../mapper/http/raw-head.ts';

type Headers = Readonly<Record<string, string>>;

const VISITOR = { address: '192.0.2.1', isProxy: false };
const PROXY = { address: '10.0.0.1', isProxy: true };
const AT_MS = Date.parse('2026-11-24T12:00:00Z');

const AGENTS: readonly (readonly [text: string, browser: string, os: string, device: string])[] = [
  [
    'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.6478.127 Safari/537.36',
    'Chrome',
    'Linux',
    'desktop',
  ],
  [
    'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 Edg/126.0.2592.81',
    'Microsoft Edge',
    'Windows',
    'desktop',
  ],
  [
    'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:127.0) Gecko/20100101 Firefox/127.0',
    'Firefox',
    'Windows',
    'desktop',
  ],
  [
    'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5.1 Safari/605.1.15',
    'Safari',
    'macOS',
    'desktop',
  ],
  [
    'Mozilla/5.0 (iPhone; CPU iPhone OS 17_5_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1',
    'Safari',
    'iOS',
    'mobile',
  ],
  [
    'Mozilla/5.0 (iPad; CPU OS 16_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/126.0.6478.54 Mobile/15E148 Safari/604.1',
    'Chrome',
    'iOS',
    'tablet',
  ],
  [
    'Mozilla/5.0 (Linux; Android 14; SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36',
    'Samsung Internet for Android',
    'Android',
    'mobile',
  ],
  [
    'Mozilla/5.0 (Linux; Android 6.0.1; Nexus 7 Build/MOB30X) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/99.0.4844.58 Safari/537.36',
    'Chrome',
    'Android',
    'tablet',
  ],
];

const BOTS = [
  '',
  'curl/8.5.0',
  'python-requests/2.32.3',
  'Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)',
  'facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)',
  'WhatsApp/2.23.20.0',
  'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/126.0.0.0 Safari/537.36',
];

const REFERRERS: readonly (readonly [referer: string | undefined, host: string])[] = [
  [undefined, ''],
  ['https://example.com/path?email=a@b.example', 'example.com'],
  ['http://WWW.Example.COM:8080', 'www.example.com'],
  ['https://user:password@example.com/', 'example.com'],
  ['https://example.com./', 'example.com'],
  ['android-app://com.google.android.gm/', 'com.google.android.gm'],
  ['https://b\u00FCcher.example/', 'xn--bcher-kva.example'],
  ['http://192.0.2.1:80/x', '192.0.2.1'],
  ['http://[2001:db8::1]/', '[2001:db8::1]'],
  ['https://example.com', 'example.com'],
  ['https://example.com?q=1', 'example.com'],
  ['/relative', ''],
  ['about:blank', ''],
  ['', ''],
  ['://', ''],
  ['https://', ''],
  ['https://(other)/', ''],
  [`https://${'a'.repeat(300)}.example/`, ''],
  [`https://${'a.'.repeat(600)}example/`, ''],
];

/** How a host is spelled usually. It tells how a referrer is read, see `Referrers`. */
const USUAL = /^https?:\/\/((?:[a-z0-9-]+\.)+[a-z]+)(?:\/.*)?$/s;

const LANGUAGES: readonly (readonly [header: string | undefined, language: string])[] = [
  [undefined, ''],
  ['de', 'de'],
  ['de-AT,de;q=0.9,en;q=0.8', 'de'],
  ['en;q=0.5, FR-ch', 'fr'],
  ['zh-Hant-TW', 'zh'],
  ['iw-IL', 'he'],
  ['*', ''],
  ['de;q=0', ''],
  ['not a language', ''],
  ['x', ''],
  ['x-klingon', ''],
  ['i-default', ''],
  ['english', ''],
  ['x, de;q=0.5', 'de'],
  ['x;q=0.1, en;q=0', ''],
  ['tlh', 'tlh'],
  [`en,${'de,'.repeat(200)}`, ''],
];

describe('a user agent', () => {
  const agents = new UserAgents();

  for (const [text, browser, os, device] of AGENTS)
    it(`is ${browser} on ${os}, ${device}: ${text.slice(0, 60)}`, () => {
      // The second time it is remembered.
      for (const each of [text, text]) {
        const { agent } = agents.of(each);
        expect([agent.browser.value, agent.os.value, agent.device.value]).to.deep.equal([
          browser,
          os,
          device,
        ]);
        expect(agent.isBot).to.equal(false);
      }
    });

  for (const text of BOTS)
    it(`is a program: ${text.slice(0, 60)}`, () => expect(agents.of(text).agent.isBot).to.equal(true));

  it('is remembered together with those that differ only in small versions, and large ones differ', () => {
    const of = (version: string): unknown =>
      agents.of(`Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/${version} Safari/537.36`).agent;
    expect(of('1.0.1.2')).to.equal(of('1.9'));
    expect(of('1.0.1.2')).to.not.equal(of('2.0'));
  });

  it('loses its versions from the second number on, whatever text it is', () => {
    const texts = fc.string({
      unit: fc.constantFrom('0', '1', '9', '.', '_', ' ', 'a', '/', '\u00FF'),
      maxLength: 40,
    });
    const [from, to] = [Buffer.alloc(64), Buffer.alloc(64)];
    fc.assert(
      fc.property(texts, (text) => {
        const length = writeWithoutMinors(to, from, from.write(text, 'latin1'));
        expect(to.toString('latin1', 0, length)).to.equal(
          text.replaceAll(/(?<!\d)(\d+)[._][\d._]+/g, '$1.0'),
        );
      }),
      { numRuns: 2_000 },
    );
  });

  it('is read alike when it comes often, between others that are remembered at the same places', () => {
    const often = AGENTS.map(([text]) => text);
    for (let i = 0; i < 10_000; i += 1) {
      const at = i % often.length;
      agents.of(`Mozilla/5.0 (X11; Linux x86_64) Chrome/126.0.${i}.0 Safari/537.36`);
      expect(agents.of(often[at]).agent.browser.value).to.equal(AGENTS[at]?.[1]);
    }
  });

  it('has a digest of its own, also where it differs from others in a version or a letter only', () => {
    const digests = new Set<string>();
    for (let i = 0; i < 50_000; i += 1) {
      const text = `Mozilla/5.0 (X11; Linux x86_64) Chrome/${100 + (i % 40)}.0.${i % 3_000}.${i} Safari/537.36`;
      const { high, low } = agents.of(text).digest;
      digests.add(`${high},${low}`);
    }
    expect(digests.size).to.equal(50_000);
    const [one = '', other = ''] = AGENTS.map(([text]) => text);
    expect(agents.of(one).digest).to.deep.equal(agents.of(one).digest);
    expect(agents.of(one).digest).to.not.deep.equal(agents.of(other).digest);
    expect(agents.of(`${one}\u00FF`).digest).to.not.deep.equal(agents.of(one).digest);
  });

  it('may be long, and have any bytes', () => {
    for (const text of ['x'.repeat(100_000), '\u00FF\u0001', '(((((', '1.'.repeat(5_000)])
      expect(agents.of(text).agent.device.value).to.be.a('string');
  });
});

describe('a referrer', () => {
  for (const [referer, host] of REFERRERS)
    it(`is ${host === '' ? 'no host' : host} for ${referer?.slice(0, 60)}`, () => {
      const referrers = new Referrers();
      for (const each of [referer, referer]) expect(referrers.of(each).value).to.equal(host);
    });

  it('is its host where that is spelled as usual, whatever text it is, and often the same label', () => {
    const referrers = new Referrers();
    const texts = fc.string({ unit: fc.constantFrom('a', 'z', '0', '9', '-', '.', '/'), maxLength: 12 });
    fc.assert(
      fc.property(fc.constantFrom('http', 'https'), texts, (scheme, text) => {
        const [, host] = USUAL.exec(`${scheme}://${text}`) ?? [];
        if (host === undefined) return;
        const { value, hash, dimension } = referrers.of(`${scheme}://${text}`);
        expect({ value, hash, dimension }).to.deep.include({ value: host, dimension: 'referrer' });
        expect(hash).to.equal(labelOf('referrer', host).hash);
      }),
      { numRuns: 3_000 },
    );
    const known = new Set(Array.from({ length: 100 }, () => referrers.of('https://often.example/path')));
    expect([...known].filter(({ isView }) => !isView)).to.have.length(1);
  });
});

describe('a language', () => {
  for (const [header, language] of LANGUAGES)
    it(`is ${language === '' ? 'none' : language} for ${header?.slice(0, 60)}`, () => {
      const languages = new Languages();
      for (const each of [header, header]) expect(languages.of(each).value).to.equal(language);
    });
});

describe('the headers of a click', () => {
  const asked: number[] = [];
  const reader = new ClickReader({
    countryHeader: 'cf-ipcountry',
    countryAt: (address) => (address === '192.0.2.1' ? 'ch' : undefined),
    clientOf: ({ address, isProxy }, forwardedFor) => (isProxy ? forwardedFor : undefined) ?? address,
    hashOf: (day) => {
      asked.push(day);
      return new VisitorHash(Buffer.from(String(day).padStart(16, '0')));
    },
  });

  function read(headers: Headers = {}, more: Partial<RawClick> = {}): Resolved {
    const head = toRawHead(Object.entries({ 'User-Agent': AGENTS[0]?.[0] ?? '', ...headers }).flat());
    return reader.resolve({ key: 'key', atMs: AT_MS, head, headStart: 0, sender: VISITOR, ...more });
  }

  function valueOf({ labels }: Resolved, dimension: ClickDimension): string | undefined {
    return labels.find((label) => label.dimension === dimension)?.value;
  }

  it('say one value of each dimension', () => {
    const { labels } = read({ Referer: 'https://example.com/', 'Accept-Language': 'de' });
    expect(labels.map(({ dimension, value }: Label) => ({ dimension, value }))).to.deep.equal([
      { dimension: 'referrer', value: 'example.com' },
      { dimension: 'country', value: 'CH' },
      { dimension: 'language', value: 'de' },
      { dimension: 'browser', value: 'Chrome' },
      { dimension: 'os', value: 'Linux' },
      { dimension: 'device', value: 'desktop' },
    ]);
  });

  it('say the country only where a proxy of ours sends them; else it is that of the address', () => {
    const country = { 'CF-IPCountry': 'de' };
    expect(valueOf(read(country), 'country')).to.equal('CH');
    expect(valueOf(read(country, { sender: PROXY }), 'country')).to.equal('DE');
    expect(valueOf(read({ 'CF-IPCountry': 'T1' }, { sender: PROXY }), 'country')).to.equal('');
    expect(valueOf(read({ 'X-Forwarded-For': '192.0.2.1' }, { sender: PROXY }), 'country')).to.equal('CH');
    for (const nowhere of ['T1', 'XX', ''])
      expect(
        valueOf(
          read({ 'CF-IPCountry': nowhere, 'X-Forwarded-For': '192.0.2.1' }, { sender: PROXY }),
          'country',
        ),
        nowhere,
      ).to.equal('CH');
    expect(valueOf(read({ 'X-Forwarded-For': '192.0.2.2' }, { sender: PROXY }), 'country')).to.equal('');
  });

  it('make the same visitor of the same address, browser and day, and of no other', () => {
    const same = read().visitor;
    expect(same).to.not.equal(undefined);
    expect(read({ Referer: 'https://example.com/' }).visitor).to.deep.equal(same);
    expect(read({}, { atMs: AT_MS + 11 * HOUR_MS }).visitor).to.deep.equal(same);
    expect(read({}, { atMs: AT_MS + 12 * HOUR_MS }).visitor).to.not.deep.equal(same);
    expect(asked.slice(-2)).to.deep.equal([20_781, 20_782]);
    expect(read({ 'User-Agent': AGENTS[2]?.[0] ?? '' }).visitor).to.not.deep.equal(same);
    expect(read({}, { sender: { ...VISITOR, address: '192.0.2.2' } }).visitor).to.not.deep.equal(same);
  });

  it('make no visitor of a program, nor of an address that is not known', () => {
    expect(read({ 'User-Agent': 'curl/8.5.0' }).visitor).to.equal(undefined);
    expect(read({}, { sender: undefined }).visitor).to.equal(undefined);
    expect(read({}, { sender: { address: undefined, isProxy: false } }).visitor).to.equal(undefined);
  });

  it('say nothing of a visitor who does not want to be tracked, except whether it is a program', () => {
    for (const header of ['DNT', 'dnt', 'Sec-GPC'])
      expect(read({ [header]: '1' }), header).to.deep.equal({ isBot: false, labels: [], visitor: undefined });
    expect(read({ DNT: '1', 'User-Agent': 'curl/8.5.0' }).isBot).to.equal(true);
    expect(read({ DNT: '0' }).labels).to.have.length(6);
  });

  it('say nothing of him either when his wish comes several times, as from a browser and a proxy', () => {
    for (const header of ['DNT', 'Sec-GPC'])
      for (const values of [['1', '1'], ['0', '1'], ['1', '0'], ['1,1'], ['0 ,\t1']]) {
        const head = toRawHead(values.flatMap((value) => [header, value]));
        const labels = reader.resolve({
          key: 'key',
          atMs: AT_MS,
          head,
          headStart: 0,
          sender: VISITOR,
        }).labels;
        expect(labels, `${header}: ${values.join(' and ')}`).to.deep.equal([]);
      }
    for (const value of ['', '0', '0, 0', '10', '11', '0, 01'])
      expect(read({ DNT: value }).labels, value).to.have.length(6);
  });

  it('may be absent', () => {
    const nobody = { key: 'key', atMs: AT_MS, head: '', headStart: 0, sender: undefined };
    expect(reader.resolve(nobody).labels).to.have.length(6);
  });
});
