import type { Socket } from 'node:net';
import { expect } from 'chai';
import { deviceOf } from '../../../mapper/following/device.ts';
import { forwardQuery } from '../../../mapper/following/forward-query.ts';
import { bestLanguage, parseLanguages } from '../../../mapper/following/language.ts';
import { isPreviewBot } from '../../../mapper/following/preview-bots.ts';
import { targetFor } from '../../../mapper/following/targets.ts';
import { createFindCountry } from '../../../mapper/following/visitor.ts';
import type { RequestFacts } from '../../../mapper/http/request-facts.ts';

const USER_AGENTS: readonly (readonly [string, string | undefined])[] = [
  [
    'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Safari/604.1',
    'ios',
  ],
  ['Mozilla/5.0 (iPad; CPU OS 12_0 like Mac OS X) AppleWebKit/605.1.15', 'ios'],
  [
    'Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 Chrome/140.0.0.0 Mobile Safari/537.36',
    'android',
  ],
  ['Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36', 'windows'],
  ['Mozilla/5.0 (Windows Phone 10.0; Android 6.0.1; Microsoft; Lumia 950) like iPhone', 'windows'],
  ['Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Safari/605.1.15', 'macos'],
  ['Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36', 'chromeos'],
  ['Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', 'linux'],
  ['curl/8.5.0', undefined],
  ['', undefined],
];

const FORWARDED: readonly (readonly [target: string, query: string | undefined, location: string])[] = [
  ['https://x.example/', undefined, 'https://x.example/'],
  ['https://x.example/', '', 'https://x.example/'],
  ['https://x.example/', 'a=1', 'https://x.example/?a=1'],
  ['https://x.example/?', 'a=1', 'https://x.example/?a=1'],
  ['https://x.example/?b=2', 'a=1', 'https://x.example/?b=2&a=1'],
  ['https://x.example/?a=1', 'a=2', 'https://x.example/?a=1&a=2'],
  ['https://x.example/#f?g', 'a=1', 'https://x.example/?a=1#f?g'],
  ['https://x.example/?b=2#f', '%20+?&&=;é', 'https://x.example/?b=2&%20+?&&=;é#f'],
];

const LANGUAGES: readonly (readonly [
  header: string | undefined,
  tags: string[],
  best: string | undefined,
])[] = [
  ['de', ['de'], 'de'],
  ['DE-at', ['de'], 'de'],
  ['de', ['de-AT'], undefined],
  ['de-CH-1996', ['de-CH', 'de'], 'de-ch'],
  ['zh-Hant-CN-x-private1', ['zh-Hant'], 'zh-hant'],
  ['zh-x-private', ['zh-x'], undefined],
  ['en;q=0.5, de;q=0.9', ['en', 'de'], 'de'],
  ['en, de', ['de', 'en'], 'en'],
  ['fr, en;q=0.1', ['de', 'en'], 'en'],
  ['de;q=0', ['de'], undefined],
  ['de-AT, de;q=0', ['de'], undefined],
  ['de-AT, de;q=0', ['de-AT'], 'de-at'],
  ['iw-IL', ['he'], 'he'],
  ['*', ['de'], undefined],
  ['*, de;q=0.1', ['de'], 'de'],
  ['de;q=2, en;q=0.1', ['de', 'en'], 'en'],
  ['de;q=0.1234', ['de'], undefined],
  [' de ; q=0.5 ,', ['de'], 'de'],
  [undefined, ['de'], undefined],
  ['', ['de'], undefined],
];

describe('what is known of a visitor', () => {
  for (const [userAgent, device] of USER_AGENTS)
    it(`is the device ${device ?? 'of nobody'} for ${userAgent.slice(0, 40)}`, () =>
      expect(deviceOf(userAgent)).to.equal(device));

  for (const [header, tags, best] of LANGUAGES)
    it(`is ${best ?? 'no language'} among ${tags.join(' ')} for Accept-Language: ${header ?? 'none'}`, () =>
      expect(bestLanguage(parseLanguages(header), tags)).to.equal(best));

  it('is whether he is a program that makes previews, and no browser inside such an app', () => {
    const bots = [
      'Twitterbot/1.0',
      'Slackbot-LinkExpanding 1.0',
      'WhatsApp/2.23.20',
      'facebookexternalhit/1.1',
    ];
    for (const bot of bots) expect(isPreviewBot(bot), bot).to.equal(true);
    const people = [
      'Mozilla/5.0 (iPhone) Instagram 300.0',
      'Mozilla/5.0 [Pinterest/iOS]',
      'curl/8.5.0',
      undefined,
    ];
    for (const person of people) expect(isPreviewBot(person), person).to.equal(false);
  });

  it('is a country only where a proxy of ours says it, with two letters', () => {
    let byAddress: string | undefined;
    const of = (
      header: string | undefined,
      value: string | undefined,
      isProxy: boolean,
    ): string | undefined => {
      const request: RequestFacts = {
        method: 'GET',
        query: undefined,
        peer: {} as Socket,
        head: '',
        headStart: 0,
        header: (name) => (name === 'cf-ipcountry' ? value : undefined),
      };
      return createFindCountry({ header, isProxy: () => isProxy, countryOf: () => byAddress })(request);
    };
    expect(of('cf-ipcountry', 'de', true)).to.equal('DE');
    expect(of('cf-ipcountry', 'DE', false)).to.equal(undefined);
    expect(of(undefined, 'DE', true)).to.equal(undefined);
    for (byAddress of [undefined, 'CH'])
      for (const value of ['T1', 'XX', 'EU', 'DE, FR', 'Germany', '', undefined])
        expect(of('cf-ipcountry', value, true), value).to.equal(byAddress);
  });
});

describe('a forwarded query', () => {
  for (const [target, query, location] of FORWARDED)
    it(`${query ?? 'none'} makes ${location} of ${target}`, () =>
      expect(forwardQuery(target, query)).to.equal(location));
});

describe('the target for a visitor', () => {
  const TARGETS = [
    { when: { country: ['CH'], language: ['fr'] }, longUrl: 'https://x.example/ch-fr' },
    { when: { language: ['de', 'fr'] }, longUrl: 'https://x.example/de' },
    { when: { device: ['ios' as const] }, longUrl: 'https://x.example/ios' },
    { when: { language: ['en'] }, longUrl: 'https://x.example/en' },
  ];
  const NOBODY = { device: undefined, country: undefined, languages: [] };

  it('is the first that fits in everything it names', () => {
    const languages = parseLanguages('fr');
    expect(targetFor(TARGETS, { ...NOBODY, country: 'CH', languages })).to.equal('https://x.example/ch-fr');
    expect(targetFor(TARGETS, { ...NOBODY, languages })).to.equal('https://x.example/de');
    expect(targetFor(TARGETS, { ...NOBODY, device: 'ios' })).to.equal('https://x.example/ios');
    expect(targetFor(TARGETS, { ...NOBODY, device: 'android', country: 'CH' })).to.equal(undefined);
    expect(targetFor(undefined, NOBODY)).to.equal(undefined);
  });

  it('is in the language that the visitor reads best', () => {
    const languages = parseLanguages('en, de;q=0.9');
    expect(targetFor(TARGETS, { ...NOBODY, languages })).to.equal('https://x.example/en');
    expect(targetFor(TARGETS, { ...NOBODY, device: 'ios', languages })).to.equal('https://x.example/ios');
    expect(targetFor(TARGETS, { ...NOBODY, languages: parseLanguages('it, de;q=0.1') })).to.equal(
      'https://x.example/de',
    );
  });
});
