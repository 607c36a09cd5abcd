import { expect } from 'chai';
import * as fc from 'fast-check';
import { parseTargetUrl, type TargetRules } from '../../mapper/shorten/target-url.ts';

const RULES: TargetRules = { ownUrl: new URL('https://go.example'), allowPrivateTargets: false };

function reasonFor(input: string, rules: Partial<TargetRules> = {}): string | undefined {
  const target = parseTargetUrl(input, { ...RULES, ...rules });
  return target.ok ? undefined : target.reason;
}

describe('target URLs', () => {
  const KEPT: readonly (readonly [string, string])[] = [
    ['http://example.com', 'http://example.com/'],
    ['HTTP://EXAMPLE.com:80/%7Ea/../b', 'http://example.com/b'],
    ['https://example.com:8443/?q=a b#c d', 'https://example.com:8443/?q=a%20b#c%20d'],
    ['  https://example.com/\n', 'https://example.com/'],
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
    'is not an absolute URL': [
      '',
      'example.com',
      '/a',
      '//example.com',
      'http://',
      'http://a b/',
      'https://example.com:99999/',
    ],
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

  it('accepts 2,048 characters and refuses one more', () => {
    const base = 'https://example.com/';
    expect(reasonFor(base + 'a'.repeat(2_048 - base.length))).to.equal(undefined);
    expect(reasonFor(base + 'a'.repeat(2_049 - base.length))).to.equal('is longer than 2048 characters');
    expect(reasonFor(base + 'ä'.repeat(2_048 - base.length))).to.equal('is too long once percent-encoded');
  });

  it('accepts private targets when configured, but never our own port or short domain', () => {
    const rules = { ownUrl: new URL('http://127.0.0.1:8080'), allowPrivateTargets: true };
    expect(reasonFor('http://127.0.0.1:9000/', rules)).to.equal(undefined);
    expect(reasonFor('http://[fd00::1]/', rules)).to.equal(undefined);
    expect(reasonFor('http://localhost:8080/', rules)).to.equal(undefined);
    expect(reasonFor('http://2130706433:8080/', rules)).to.equal('points back at this service');
    expect(reasonFor('https://go.example:1/', { allowPrivateTargets: true })).to.equal(
      'points back at this service',
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
