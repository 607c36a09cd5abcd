import { expect } from 'chai';
import * as fc from 'fast-check';
import { changeRules, isNeverValid, type RuleChange } from '../../db/own-links/rule-change.ts';
import type { LinkRules } from '../../db/urls/link-rules.ts';
import { Problem, type FieldError } from '../../mapper/http/problem.ts';
import { COUNTRY_CODES } from '../../db/urls/country-codes.ts';
import {
  createPreparer,
  createShortenRequestParser,
  type ParsedRequest,
} from '../../mapper/shorten/shorten-request.ts';

const NOW = Date.parse('2026-11-28T00:00:00Z');
const parse = createShortenRequestParser(
  {
    own: [{ host: 'go.example', port: undefined }],
    allowPrivateTargets: false,
    maxBytes: 2_048,
    isBlockedHost: (host) => host === 'blocked.example',
  },
  () => NOW,
);
const TARGET = { long_url: 'https://example.com/' };
const EN = { when: { language: ['en'] }, long_url: 'https://example.com/en' };

/** @param fields an object, or the JSON text of one */
function take(fields: object | string, userId: bigint | null = null): ParsedRequest {
  const text = typeof fields === 'string' ? fields : JSON.stringify(fields);
  return parse({ ...TARGET, ...(JSON.parse(text) as object) }, userId);
}

function rulesOf(fields: object): LinkRules {
  return take(fields).own?.rules ?? {};
}

function faultsOf(fields: object | string, userId: bigint | null = null): readonly FieldError[] {
  try {
    take(fields, userId);
  } catch (error) {
    if (error instanceof Problem && error.status === 422) return error.errors ?? [];
    throw error;
  }
  return [];
}

describe('the fields of rules in a request for a new link', () => {
  const RULES: readonly (readonly [string, object, LinkRules])[] = [
    [
      'a time from which it is valid',
      { valid_from: '2030-01-01T00:00:00+01:00' },
      { validFrom: '2029-12-31T23:00:00.000Z' },
    ],
    ['a time in the past', { valid_from: '1970-01-01T00:00:00Z' }, { validFrom: '1970-01-01T00:00:00.000Z' }],
    ['301', { redirect_type: 301 }, { redirectType: 301 }],
    ['302, which every plain link has', { redirect_type: 302 }, {}],
    ['307', { redirect_type: 307 }, { redirectType: 307 }],
    ['308', { redirect_type: 308 }, { redirectType: 308 }],
    ['a forwarded query', { forward_query: true }, { forwardQuery: true }],
    ['a query that is not forwarded', { forward_query: false }, {}],
    ['one visit', { max_visits: 1 }, { maxVisits: 1 }],
    ['a million visits', { max_visits: 1_000_000 }, { maxVisits: 1_000_000 }],
    [
      'a target of an expired link',
      { expired_url: ' HTTPS://EXAMPLE.com/x y' },
      { expiredUrl: 'https://example.com/x%20y' },
    ],
    ['no index', { noindex: true }, { noindex: true }],
    ['an index', { noindex: false }, {}],
    ['no targets', { targets: [] }, {}],
    [
      'null for all',
      {
        valid_from: null,
        redirect_type: null,
        forward_query: null,
        max_visits: null,
        password: null,
        expired_url: null,
        noindex: null,
        targets: null,
      },
      {},
    ],
    [
      'targets, in their order',
      {
        targets: [
          {
            when: { device: ['ios', 'android', 'ios'], country: ['de', 'AT'], language: ['PT-br', 'en'] },
            long_url: 'https://example.com/ü',
          },
          { when: { country: ['XK'], device: null }, long_url: 'https://example.com/b' },
          { when: {}, long_url: 'https://example.com/c' },
        ],
      },
      {
        targets: [
          {
            when: { device: ['ios', 'android'], country: ['DE', 'AT'], language: ['pt-BR', 'en'] },
            longUrl: 'https://example.com/%C3%BC',
          },
          { when: { country: ['XK'] }, longUrl: 'https://example.com/b' },
          { when: {}, longUrl: 'https://example.com/c' },
        ],
      },
    ],
  ];
  for (const [what, fields, rules] of RULES)
    it(`take ${what}`, () => {
      expect(rulesOf(fields)).to.deep.equal(rules);
      expect(take(fields).isWhole).to.equal(true);
    });

  it('take 20 targets, and every language that a browser may send', () => {
    expect(rulesOf({ targets: Array.from({ length: 20 }, () => EN) }).targets).to.have.lengthOf(20);
    const language = ['de', 'de-CH', 'zh-Hant-TW', 'es-419', 'sr-Latn', 'fil', 'nb', 'en-GB-oxendict'];
    expect(rulesOf({ targets: [{ ...EN, when: { language } }] }).targets?.[0]?.when.language).to.deep.equal(
      language,
    );
  });

  it('leave a link without rules and owner a plain one', () => {
    expect(take({})).to.deep.equal({
      longUrl: TARGET.long_url,
      alias: undefined,
      expiresAt: null,
      isWhole: false,
    });
    expect(take({ redirect_type: 302, tags: null })).to.not.have.property('own');
    expect(take({}, 7n).own).to.deep.equal({ userId: 7n, title: null, tags: [], rules: {} });
  });

  const at = (more: object): object => ({ targets: [EN, { ...EN, ...more }] });
  const when = (more: object): object => at({ when: more });
  const FAULTS: readonly (readonly [string, object, string, RegExp])[] = [
    ['a time without offset', { valid_from: '2030-01-01T00:00:00' }, 'valid_from', /RFC 3339/],
    ['a time before 1970', { valid_from: '0001-01-01T00:00:00Z' }, 'valid_from', /before the year 1970/],
    ['a time that is a number', { valid_from: 1 }, 'valid_from', /a string/],
    [
      'a time after the expiry',
      { valid_from: '2030-01-01T00:00:00Z', expiration_date: '2029-01-01T00:00:00Z' },
      'valid_from',
      /before expiration_date/,
    ],
    [
      'the time of the expiry',
      { valid_from: '2030-01-01T00:00:00Z', expiration_date: '2030-01-01T00:00:00Z' },
      'valid_from',
      /before expiration_date/,
    ],
    ['303', { redirect_type: 303 }, 'redirect_type', /301, 302, 307 or 308/],
    ['a type as text', { redirect_type: '301' }, 'redirect_type', /301, 302, 307 or 308/],
    ['a list as type', { redirect_type: [301] }, 'redirect_type', /301, 302, 307 or 308/],
    ['a flag as number', { forward_query: 1 }, 'forward_query', /true or false/],
    ['a flag as text', { noindex: 'true' }, 'noindex', /true or false/],
    ['no visit', { max_visits: 0 }, 'max_visits', /at least 1/],
    ['less than none', { max_visits: -1 }, 'max_visits', /at least 1/],
    ['too many visits', { max_visits: 1_000_001 }, 'max_visits', /not exceed 1000000/],
    ['half a visit', { max_visits: 1.5 }, 'max_visits', /whole number from 1 to 1000000/],
    ['visits as text', { max_visits: '5' }, 'max_visits', /whole number/],
    ['an empty password', { password: '' }, 'password', /not be empty/],
    ['a number as password', { password: 1234 }, 'password', /a string/],
    ['a password of 1,025 bytes', { password: `${'ü'.repeat(512)}x` }, 'password', /not exceed 1024 bytes/],
    ['a lone surrogate', { password: 'a\ud800b' }, 'password', /well-formed/],
    ['NUL', { password: 'a\0b' }, 'password', /NUL/],
    ['a private target', { expired_url: 'http://10.0.0.1/' }, 'expired_url', /private/],
    ['our own domain', { expired_url: 'https://go.example/x' }, 'expired_url', /this service/],
    ['a blocked domain', { expired_url: 'https://blocked.example/' }, 'expired_url', /blocked domain/],
    ['a list as URL', { expired_url: ['https://example.com/'] }, 'expired_url', /a string/],
    ['an object as targets', { targets: { 0: EN } }, 'targets', /a list of targets/],
    ['a text as targets', { targets: 'https://example.com/' }, 'targets', /a list of targets/],
    ['21 targets', { targets: Array.from({ length: 21 }, () => EN) }, 'targets', /more than 20/],
    ['null as a target', { targets: [null] }, 'targets.0', /an object/],
    ['a target without a condition', { targets: [{ long_url: EN.long_url }] }, 'targets.0.when', /required/],
    ['a condition that is null', { targets: [{ ...EN, when: null }] }, 'targets.0.when', /an object/],
    ['a list as condition', when([]), 'targets.1.when', /an object/],
    ['a target without URL', { targets: [{ when: {} }] }, 'targets.0.long_url', /required/],
    [
      'a blocked target',
      at({ long_url: 'https://blocked.example/' }),
      'targets.1.long_url',
      /blocked domain/,
    ],
    ['a private target of a few', at({ long_url: 'http://localhost/' }), 'targets.1.long_url', /private/],
    ['a script as target', at({ long_url: 'javascript:alert(1)' }), 'targets.1.long_url', /http or https/],
    ['a field that a target does not have', at({ url: 'x' }), 'targets.1.url', /unknown field/],
    [
      'a field that a condition does not have',
      when({ browser: ['firefox'] }),
      'targets.1.when.browser',
      /unknown field/,
    ],
    [
      'a device that nobody knows',
      when({ device: ['ios', 'iOS'] }),
      'targets.1.when.device.1',
      /one of ios, android/,
    ],
    ['a text as devices', when({ device: 'ios' }), 'targets.1.when.device', /a list of texts/],
    ['no device', when({ device: [] }), 'targets.1.when.device', /not be empty/],
    ['a country that is none', when({ country: ['DE', 'UK'] }), 'targets.1.when.country.1', /ISO 3166-1/],
    ['a code of three letters', when({ country: ['DEU'] }), 'targets.1.when.country.0', /ISO 3166-1/],
    ['a letter that has two capitals', when({ country: ['ß'] }), 'targets.1.when.country.0', /ISO 3166-1/],
    ['a country that is no more', when({ country: ['SU'] }), 'targets.1.when.country.0', /ISO 3166-1/],
    ['a language that is none', when({ language: ['german_'] }), 'targets.1.when.language.0', /BCP 47/],
    ['any language', when({ language: ['*'] }), 'targets.1.when.language.0', /BCP 47/],
    ['a number as language', when({ language: [1] }), 'targets.1.when.language.0', /a string/],
    [
      '51 languages',
      when({ language: Array.from({ length: 51 }, () => 'en') }),
      'targets.1.when.language',
      /more than 50/,
    ],
    ['a title', { title: 'x' }, 'title', /owner/],
    ['tags', { tags: [] }, 'tags', /owner/],
  ];
  for (const [what, fields, field, reason] of FAULTS)
    it(`refuse ${what}, naming ${field}`, () => {
      const faults = faultsOf(fields);
      expect(faults.map((fault) => fault.field)).to.deep.equal([field]);
      expect(faults[0]?.reason).to.match(reason);
    });

  it('refuse targets that are too large together, however they are written', () => {
    const longUrl = `https://example.com/${'ü'.repeat(330)}`;
    const country = [...COUNTRY_CODES];
    const targets = Array.from({ length: 20 }, () => ({ when: { country }, long_url: longUrl }));
    expect(faultsOf({ targets })).to.deep.equal([
      { field: 'targets', reason: 'must not exceed 65536 bytes in all' },
    ]);
  });

  it('refuse __proto__ everywhere, and numbers that are none', () => {
    const texts: readonly (readonly [string, string])[] = [
      ['{"__proto__":{"password":"x"}}', '__proto__'],
      ['{"targets":[{"when":{},"long_url":"https://example.com/","__proto__":1}]}', 'targets.0.__proto__'],
      [
        '{"targets":[{"when":{"__proto__":["ios"]},"long_url":"https://example.com/"}]}',
        'targets.0.when.__proto__',
      ],
      ['{"max_visits":1e999}', 'max_visits'],
      ['{"redirect_type":1e999}', 'redirect_type'],
      ['{"constructor":1}', 'constructor'],
    ];
    for (const [text, field] of texts)
      expect(
        faultsOf(text).map((fault) => fault.field),
        text,
      ).to.deep.equal([field]);
  });

  it('are refused or stored, and nothing else, whatever they are', () => {
    const name = fc.constantFrom(
      'valid_from',
      'redirect_type',
      'forward_query',
      'max_visits',
      'password',
      'expired_url',
      'noindex',
      'targets',
      'title',
      'tags',
      'expiration_date',
      '__proto__',
      'toString',
    );
    const odd = fc.oneof(
      fc.jsonValue({ maxDepth: 4 }),
      fc.string({ unit: 'binary', maxLength: 40 }),
      fc.array(
        fc.record({
          when: fc.dictionary(
            fc.constantFrom('device', 'country', 'language', '__proto__'),
            fc.array(fc.oneof(fc.constantFrom('ios', 'DE', 'en'), fc.string({ unit: 'binary' }))),
            { maxKeys: 3 },
          ),
          long_url: fc.webUrl(),
        }),
        { maxLength: 22 },
      ),
      fc.constantFrom(0, -0, 1e308, 302, 1_000_000, '2030-01-01T00:00:00Z', 'https://example.com/', true),
    );
    fc.assert(
      fc.property(fc.dictionary(name, odd, { maxKeys: 5 }), fc.boolean(), (fields, isKnown) => {
        const body = JSON.parse(JSON.stringify(fields)) as Record<string, unknown>;
        let made: ParsedRequest;
        try {
          made = parse({ ...TARGET, ...body }, isKnown ? 1n : null);
        } catch (error) {
          expect(error).to.be.instanceOf(Problem).with.property('status', 422);
          for (const { field, reason } of (error as Problem).errors ?? [])
            expect(Object.keys(body), `${field}: ${reason}`).to.include(field.split('.')[0]);
          return;
        }
        // What is taken is stored as JSON, and read as the same rules.
        const rules = made.own?.rules ?? {};
        expect(JSON.parse(JSON.stringify(rules))).to.deep.equal(rules);
      }),
      { numRuns: Number(process.env['KEYMILL_TEST_RUNS'] ?? 2_000) },
    );
  });
});

describe('the password of a new link', () => {
  it('is hashed before the link can be bound, and is in no field of it', async () => {
    const parsed = take({ password: 'a secret', forward_query: true });
    expect(parsed.own?.rules).to.deep.equal({ forwardQuery: true });
    const prepare = createPreparer(async (password) => `hash of ${password}`);
    const ready = await prepare(parsed);
    expect(ready).to.not.have.property('password');
    expect(ready.own?.rules).to.deep.equal({ forwardQuery: true, passwordHash: 'hash of a secret' });
    const plain = take({});
    expect(await prepare(plain)).to.equal(plain);
  });

  it('takes one byte, and 1,024 bytes', () => {
    for (const password of ['1', 'ü'.repeat(512)]) expect(take({ password })).to.include({ password });
  });
});

describe('the codes of countries', () => {
  it('are the 249 of ISO 3166-1 and Kosovo, and Intl has a name for each', () => {
    expect(COUNTRY_CODES.size).to.equal(250);
    const names = new Intl.DisplayNames('en', { type: 'region', fallback: 'none' });
    for (const code of COUNTRY_CODES) expect(names.of(code), code).to.be.a('string');
  });
});

describe('a change of rules', () => {
  const at = new Date('2030-01-01T00:00:00.000Z');
  const targets = [{ when: { device: ['ios'] as const }, longUrl: 'https://example.com/ios' }];
  const others = [{ when: {}, longUrl: 'https://example.com/' }];
  /** A field, with two values of it and the rules that they make. */
  const FIELDS: readonly (readonly [RuleChange, LinkRules, RuleChange, LinkRules])[] = [
    [{ disabled: true }, { disabled: true }, { disabled: false }, {}],
    [{ blocked: 'spam' }, { blocked: 'spam' }, { blocked: 'worse' }, { blocked: 'worse' }],
    [{ redirectType: 301 }, { redirectType: 301 }, { redirectType: 302 }, {}],
    [{ redirectType: 307 }, { redirectType: 307 }, { redirectType: 308 }, { redirectType: 308 }],
    [
      { validFrom: at },
      { validFrom: at.toISOString() },
      { validFrom: new Date(0) },
      { validFrom: '1970-01-01T00:00:00.000Z' },
    ],
    [{ forwardQuery: true }, { forwardQuery: true }, { forwardQuery: false }, {}],
    [{ targets }, { targets }, { targets: others }, { targets: others }],
    [{ targets }, { targets }, { targets: [] }, {}],
    [
      { expiredUrl: 'https://a.example/' },
      { expiredUrl: 'https://a.example/' },
      { expiredUrl: 'https://b.example/' },
      { expiredUrl: 'https://b.example/' },
    ],
    [{ passwordHash: 'a' }, { passwordHash: 'a' }, { passwordHash: 'b' }, { passwordHash: 'b' }],
    [{ maxVisits: 1 }, { maxVisits: 1 }, { maxVisits: 2 }, { maxVisits: 2 }],
    [{ noindex: true }, { noindex: true }, { noindex: false }, {}],
  ];
  for (const [change, rules, other, otherRules] of FIELDS) {
    const [field = ''] = Object.keys(change);
    it(`of ${field}: absent, null, the same, another (${JSON.stringify(change)} and ${JSON.stringify(other)})`, () => {
      const more = { ofANewerProgram: 1, noindex: true as const };
      const kept = field === 'noindex' ? { ofANewerProgram: 1 } : more;
      expect(changeRules({ ...kept }, change)).to.deep.equal({ ...kept, ...rules });
      expect(changeRules({ ...kept, ...rules }, {})).to.deep.equal({ ...kept, ...rules });
      expect(changeRules({ ...kept, ...rules }, { [field]: null })).to.deep.equal(kept);
      expect(changeRules({ ...kept, ...rules }, change)).to.deep.equal({ ...kept, ...rules });
      expect(changeRules({ ...kept, ...rules }, other)).to.deep.equal({ ...kept, ...otherRules });
    });
  }

  for (const [what, rules, expiresAt, expected] of [
    ['neither', {}, null, false],
    ['no expiry', { validFrom: at.toISOString() }, null, false],
    ['no begin', {}, at, false],
    ['a millisecond', { validFrom: at.toISOString() }, new Date(at.getTime() + 1), false],
    ['no time at all', { validFrom: at.toISOString() }, at, true],
    ['less than none', { validFrom: at.toISOString() }, new Date(0), true],
  ] as const)
    it(`says whether there is a time to follow the link: ${what}`, () => {
      expect(isNeverValid({ rules, expiresAt })).to.equal(expected);
    });
});
