import { expect } from 'chai';
import * as fc from 'fast-check';
import { ownAddressesOf, parseTargetUrl, type TargetRules } from '../../mapper/shorten/target-url.ts';

const RULES: TargetRules = {
  own: ownAddressesOf('https://go.example', 'http://127.0.0.1:8080'),
  allowPrivateTargets: false,
  maxBytes: 2_048,
};

function reasonFor(input: string, rules: Partial<TargetRules> = {}): string | undefined {
  const target = parseTargetUrl(input, { ...RULES, ...rules });
  return target.ok ? undefined : target.reason;
}

/** A name of so many characters, in labels of at most 63. */
function longName(characters: number): string {
  const label = `${'a'.repeat(62)}.`;
  return label.repeat(5).slice(0, characters - 1) + 'a';
}

describe('target URLs', () => {
  const KEPT: readonly (readonly [string, string])[] = [
    ['http://example.com', 'http://example.com/'],
    ['HTTP://EXAMPLE.com:80/%7Ea/../b', 'http://example.com/b'],
    ['https://example.com:8443/?q=a b#c d', 'https://example.com:8443/?q=a%20b#c%20d'],
    ['  https://example.com/\n', 'https://example.com/'],
    ['\u00a0https://example.com/\u200b', 'https://example.com/'],
    ['\ufeff\u2028 https://example.com/\u200b\u3000\u00ad\n', 'https://example.com/'],
    ['\u202ahttps://example.com/\u202c\u2060', 'https://example.com/'],
    ['https://example.com/a\u200bb', 'https://example.com/a%E2%80%8Bb'],
    ['https://example.com/\u2764\ufe0f', 'https://example.com/%E2%9D%A4%EF%B8%8F'],
    ['https://example.com./', 'https://example.com./'],
    [`https://${'a'.repeat(63)}.example/`, `https://${'a'.repeat(63)}.example/`],
    [`https://${longName(253)}./`, `https://${longName(253)}./`],
    ['https://a_b.-example-.com/', 'https://a_b.-example-.com/'],
    ['https://http.example/', 'https://http.example/'],
    ['https://bücher.example/ä', 'https://xn--bcher-kva.example/%C3%A4'],
    ['http:example.com', 'http://example.com/'],
    ['http://8.8.8.8/', 'http://8.8.8.8/'],
    ['http://0x08080808/', 'http://8.8.8.8/'],
    ['http://[2606:4700:4700::1111]/', 'http://[2606:4700:4700::1111]/'],
    ['http://[64:ff9b::8.8.8.8]/', 'http://[64:ff9b::808:808]/'],
    ['http://192.0.0.9/', 'http://192.0.0.9/'],
    ['http://192.31.196.1/', 'http://192.31.196.1/'],
    ['http://172.15.255.255/', 'http://172.15.255.255/'],
    ['http://172.32.0.0/', 'http://172.32.0.0/'],
    ['http://[2001:20::1]/', 'http://[2001:20::1]/'],
    ['http://localhost.example/', 'http://localhost.example/'],
    ['http://notlocalhost/', 'http://notlocalhost/'],
    ['https://sub.go.example/', 'https://sub.go.example/'],
    ['https://go.example.evil.example/', 'https://go.example.evil.example/'],
  ];
  for (const [input, href] of KEPT) {
    it(`keeps ${JSON.stringify(input)} as ${href}`, () => {
      expect(parseTargetUrl(input, RULES)).to.deep.equal({ ok: true, href });
    });
  }

  const REFUSED: Readonly<Record<string, readonly string[]>> = {
    'is not an absolute URL, such as https://example.com/page': [
      'example.com',
      '/a',
      '//example.com',
      'http://',
      'http://exa<mple.com/',
      'http://example.com:x/',
    ],
    'is empty': ['', ' \n\u200b'],
    'has a port above 65535': [
      'https://example.com:99999/',
      'http://example.com:65536',
      'http://[::1]:65536/',
    ],
    'has a blank in its host': ['http://a b/', 'HTTP://u@exa mple.com:80/', 'http://a%20b/'],
    'has no IPv6 address between its brackets (without a zone, such as %eth0)': [
      'http://[fe80::1%25eth0]/',
      'http://[1::2::3]:80/',
    ],
    'has an IPv4 address with a part above 255': ['http://256.1.1.1/', 'https://1.2.3.999.:80?q'],
    'must be an http or https URL': [
      'javascript:alert(1)',
      'java\nscript:alert(1)',
      'data:text/html,x',
      'ftp://example.com/',
      'file:///etc/passwd',
      'blob:https://example.com/1',
      'mailto:a@example.com',
    ],
    'must not contain credentials': [
      'http://user@example.com/',
      'http://user:password@example.com/',
      'http://:password@example.com/',
    ],
    'has port 0, which no server can have': ['http://example.com:0/', 'https://example.com:00/'],
    'has "http" as its host: is the scheme written twice?': [
      'http://http://example.com',
      'https://http//example.com',
      'http://HTTP./',
    ],
    'has "https" as its host: is the scheme written twice?': ['https://https://example.com/a'],
    'has a host with an empty part between its dots': [
      'http://a..b/',
      'http://.example.com/',
      'http://example.com../',
      'http://./',
      'http://8.8.8.8../',
      'http://a\u3002\u3002b/',
    ],
    'has a host with a part of more than 63 characters': [
      `http://${'a'.repeat(64)}.example/`,
      `http://example.${'a'.repeat(64)}/`,
    ],
    'has a host of more than 253 characters': [`http://${longName(254)}/`, `http://${longName(254)}./`],
    'points back at this service': [
      'https://go.example/abc',
      'http://go.example/',
      'https://GO.example.:8443/',
      'https://ｇｏ.example/',
    ],
    'points at a private or reserved address': [
      'http://localhost/',
      'http://LOCALHOST./',
      'http://localhost../',
      'http://a.localhost/',
      'http://a.b.localhost./',
      'http://ⓛocalhost/',
      'http://127.0.0.1/',
      'http://127.1/',
      'http://127.0.0.1./',
      'http://2130706433/',
      'http://0x7f.0.0.1/',
      'http://0177.0.0.1/',
      'http://①②⑦.0.0.1/',
      'http://%31%32%37.0.0.1/',
      'http://0/',
      'http://10.1.2.3/',
      'http://100.64.0.1/',
      'http://100.127.255.255/',
      'http://169.254.169.254/',
      'http://169.254.169.254./',
      'http://169.254.169.254../',
      'http://10.0.0.1.../',
      'http://172.16.0.1/',
      'http://172.31.255.255/',
      'http://192.0.0.1/',
      'http://192.0.0.170/',
      'http://192.0.2.1/',
      'http://192.88.99.1/',
      'http://192.168.1.1/',
      'http://198.18.0.1/',
      'http://198.19.255.255/',
      'http://198.51.100.1/',
      'http://203.0.113.1/',
      'http://224.0.0.1/',
      'http://240.0.0.1/',
      'http://255.255.255.255/',
      'http://[::]/',
      'http://[::1]/',
      'http://[::127.0.0.1]/',
      'http://[::ffff:127.0.0.1]/',
      'http://[::ffff:7f00:1]/',
      'http://[::ffff:10.0.0.1]/',
      'http://[0:0:0:0:0:ffff:a9fe:a9fe]/',
      'http://[::ffff:0:127.0.0.1]/',
      'http://[64:ff9b::127.0.0.1]/',
      'http://[64:ff9b::a00:1]/',
      'http://[64:ff9b::192.168.0.1]/',
      'http://[64:ff9b:1::808:808]/',
      'http://[100::1]/',
      'http://[100:0:0:1::1]/',
      'http://[2001::1]/',
      'http://[2001:2::1]/',
      'http://[2001:10::1]/',
      'http://[2001:db8::1]/',
      'http://[2002:7f00:1::]/',
      'http://[2002:808:808::]/',
      'http://[3fff::1]/',
      'http://[5f00::1]/',
      'http://[fc00::1]/',
      'http://[fd12:3456:789a::1]/',
      'http://[fe80::1]/',
      'http://[fec0::1]/',
      'http://[ff02::1]/',
    ],
  };
  for (const [reason, inputs] of Object.entries(REFUSED)) {
    for (const input of inputs) {
      it(`refuses ${JSON.stringify(input)}: ${reason}`, () => expect(reasonFor(input)).to.equal(reason));
    }
  }

  it('accepts 2,048 bytes and refuses one more, as typed and percent-encoded', () => {
    const base = 'https://example.com/';
    const rest = 2_048 - base.length;
    expect(reasonFor(base + 'a'.repeat(rest))).to.equal(undefined);
    expect(reasonFor(`\u00a0${base}${'a'.repeat(rest)}\u200b`)).to.equal(undefined);
    expect(reasonFor(`${base}${'a'.repeat(rest)}a`)).to.equal('is longer than 2048 bytes');
    expect(reasonFor(`${base}${'/../a'.repeat(600)}`)).to.equal('is longer than 2048 bytes');
    expect(reasonFor(base + 'é'.repeat(rest / 6))).to.equal(undefined);
    expect(reasonFor(base + 'é'.repeat(rest / 6 + 1))).to.equal(
      'is longer than 2048 bytes once percent-encoded',
    );
    expect(reasonFor(base + 'é'.repeat(650), { maxBytes: 4_000 })).to.equal(undefined);
  });

  it('refuses our own address in any spelling, also when private targets are accepted', () => {
    const OWN: Readonly<Record<string, readonly string[]>> = {
      'http://127.0.0.1:8080': [
        'http://127.0.0.1:8080/',
        'https://127.0.0.1.:8080/',
        'http://2130706433:8080/',
        'http://%31%32%37.1:8080/',
        'http://localhost:8080/',
        'http://LOCALHOST.:8080/',
        'http://a.localhost:8080/',
        'http://127.1.2.3:8080/',
        'http://0.0.0.0:8080/',
        'http://[::1]:8080/',
        'http://[::]:8080/',
        'http://[::ffff:127.0.0.1]:8080/',
        'http://[::127.0.0.1]:8080/',
        'http://[::ffff:0:127.0.0.1]:8080/',
        'http://[64:ff9b::7f00:1]:8080/',
        'http://[64:ff9b:1::127.0.0.1]:8080/',
        'http://[2002:7f00:1::]:8080/',
        'http://[2002:7f00:1::5]:8080/',
      ],
      'http://10.0.0.5': [
        'http://10.0.0.5/',
        'http://10.0.0.5.:80/',
        'http://[::ffff:10.0.0.5]:80/',
        'http://[64:ff9b::10.0.0.5]/',
      ],
      'http://[fd00::5]:81': ['http://[FD00:0:0:0:0:0:0:5]:81/'],
      'https://bücher.example': ['https://BÜCHER.example/', 'http://xn--bcher-kva.example.:1/'],
      'https://go.example': ['https://go.example:1/', 'https://GO%2eexample./', 'https://ｇｏ。example/'],
    };
    for (const [publicUrl, targets] of Object.entries(OWN)) {
      const rules = { own: ownAddressesOf(publicUrl, publicUrl), allowPrivateTargets: true };
      for (const target of targets)
        expect(reasonFor(target, rules), target).to.equal('points back at this service');
    }
  });

  it('refuses the address on which it listens, on that port, also when links begin with another one', () => {
    const allowPrivateTargets = true;
    for (const [listening, refused, accepted] of [
      ['http://127.0.0.1:14090', 'http://localhost:14090/', 'http://localhost:14091/'],
      ['http://127.0.0.1:14090', 'http://[2002:7f00:1::]:14090/', 'http://[2002:a00:1::]:14090/'],
      ['http://[fe80::1%eth0]:80', 'http://[fe80::1]/', 'http://[fe80::2]/'],
      ['http://mapper-1:8080', 'http://mapper-1:8080/', 'http://mapper-1/'],
    ] as const) {
      const rules = { own: ownAddressesOf('https://münchen.example', listening), allowPrivateTargets };
      for (const target of [refused, 'https://MÜNCHEN.example:1/'])
        expect(reasonFor(target, rules), target).to.equal('points back at this service');
      expect(reasonFor(accepted, rules), accepted).to.equal(undefined);
    }
  });

  it('accepts other private targets when configured', () => {
    const rules = {
      own: ownAddressesOf('http://127.0.0.1:8080', 'http://127.0.0.1:8080'),
      allowPrivateTargets: true,
    };
    for (const target of ['http://127.0.0.1:9000/', 'http://localhost/', 'http://[fd00::1]:8080/'])
      expect(reasonFor(target, rules), target).to.equal(undefined);
    expect(
      reasonFor('http://10.0.0.5:81/', {
        ...rules,
        own: ownAddressesOf('http://10.0.0.5', 'http://10.0.0.5'),
      }),
    ).to.equal(undefined);
  });

  it('judges a URL of the usual form as it judges the same one that the parser must read', () => {
    const host = fc.array(
      fc.oneof(
        fc.constantFrom('go', 'example', 'com', 'localhost', 'xn--bcher-kva', 'xn--', 'xn--a', 'a--b', 'a_b'),
        fc.constantFrom('-', '', '1', '0x7f', '127', 'a1', '1a', 'EXAMPLE', 'http', 'a'.repeat(64)),
      ),
      { minLength: 1, maxLength: 5 },
    );
    const rest = fc.array(
      fc.oneof(
        fc.constantFrom('/', '.', '..', '%2e', '%2E', '%', '?', '#', '@', ':', ';', '=', '&', '+', '~', '!'),
        fc.constantFrom(
          "'",
          '"',
          '|',
          '^',
          '`',
          '{',
          '}',
          '[',
          '<',
          '\\',
          ' ',
          '\t',
          '\n',
          '\0',
          '\x7f',
          'ä',
        ),
        fc.constantFrom('a', 'Z', '9', '_', '-', '$', '(', ')', '*', ',', '/./', '/../', '//', '/a'),
      ),
      { maxLength: 8 },
    );
    const scheme = fc.constantFrom('http://', 'https://', 'http:/', 'https:', 'http:///');
    const bounds = [10, 40, 2_048];
    fc.assert(
      fc.property(scheme, host, rest, fc.constantFrom(...bounds), (before, labels, after, maxBytes) => {
        const text = `${before}${labels.join('.')}${after.join('')}`;
        const rules = { ...RULES, maxBytes, isBlockedHost: (name: string) => name.endsWith('example.com') };
        const parsed = parseTargetUrl(text.replace('http', 'HTTP'), rules);
        expect(parseTargetUrl(text, rules), text).to.deep.equal(parsed);
      }),
      { numRuns: 5_000 },
    );
  });

  it('stores only printable ASCII that parses to itself, for any input', () => {
    const anything = fc.oneof(
      fc.webUrl({ withFragments: true, withQueryParameters: true }),
      fc.string({ unit: 'binary' }).map((tail) => `http://example.com/${tail}`),
    );
    fc.assert(
      fc.property(anything, (input) => {
        const target = parseTargetUrl(input, RULES);
        if (!target.ok) return;
        expect(target.href).to.match(/^https?:\/\/[\x21-\x7e]+$/);
        expect(new URL(target.href).href).to.equal(target.href);
      }),
    );
  });

  it('refuses every IPv4 address of a private block in every notation', () => {
    const inPrivateBlock = fc.oneof(
      fc.nat(0xffffff).map((host) => 10 * 2 ** 24 + host),
      fc.nat(0xffffff).map((host) => 127 * 2 ** 24 + host),
      fc.nat(0xffff).map((host) => 0xc0a80000 + host),
      fc.nat(0xfffff).map((host) => 0xac100000 + host),
    );
    const octets = (address: number): number[] =>
      [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256);
    fc.assert(
      fc.property(inPrivateBlock, (address) => {
        const [a = 0, b = 0, c = 0, d = 0] = octets(address);
        const hex = address.toString(16).padStart(8, '0');
        const hosts = [
          `${a}.${b}.${c}.${d}`,
          String(address),
          `0x${hex}`,
          `0${address.toString(8)}`,
          `${a}.${b}.${c * 256 + d}`,
          `0${a.toString(8)}.0x${b.toString(16)}.${c}.${d}.`,
          `[::ffff:${hex.slice(0, 4)}:${hex.slice(4)}]`,
          `[64:ff9b::${hex.slice(0, 4)}:${hex.slice(4)}]`,
          `[64:ff9b::${a}.${b}.${c}.${d}]`,
        ];
        for (const host of hosts) {
          expect(reasonFor(`http://${host}/`), host).to.equal('points at a private or reserved address');
        }
      }),
    );
  });
});
