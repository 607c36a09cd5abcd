import { expect } from 'chai';
import { assert, property, string, uint8Array } from 'fast-check';
import {
  canonicalCode,
  findCodeFault,
  findForeignKey,
  findTypedForeignKey,
} from '../../db/keyspace/foreign-code.ts';
import { findTypedKey } from '../../db/keyspace/typed-key.ts';
import { threadCpuMs } from '../thread-cpu.ts';

describe('the codes of other shorteners', () => {
  for (const [text, canonical] of [
    ['1', '1'],
    ['ab', 'ab'],
    ['v1.2', 'v1.2'],
    ['team/plan', 'team/plan'],
    ['team%2fplan', 'team/plan'],
    ['bücher', 'b%C3%BCcher'],
    ['b%c3%bccher', 'b%C3%BCcher'],
    ['bu\u0308cher', 'bu%CC%88cher'],
    ['🚀', '%F0%9F%9A%80'],
    ['a b', 'a%20b'],
    ['50%', '50%25'],
    ['%zz', '%25zz'],
    ['%61', 'a'],
    ['%FF', '%FF'],
    ["it's", 'it%27s'],
    ['a?b#c', 'a%3Fb%23c'],
    ['A-Z_~.', 'A-Z_~.'],
  ] as const) {
    it(`${text} is ${canonical}, however it is spelled`, () => {
      expect(canonicalCode(text)).to.equal(canonical);
      expect(canonicalCode(canonical)).to.equal(canonical);
    });
  }

  it('every text has one canonical form, which a browser sends as it is', () => {
    assert(
      property(string({ unit: 'grapheme' }), (text) => {
        const canonical = canonicalCode(text);
        expect(canonical).to.match(/^[\x21-\x7e]*$/);
        expect(canonicalCode(canonical)).to.equal(canonical);
        if (!text.includes('%')) expect(canonicalCode(encodeURIComponent(text))).to.equal(canonical);
        if (findCodeFault(text) === undefined)
          expect(new URL(`https://s.example/${canonical}`).pathname).to.equal(`/${canonical}`);
      }),
    );
  });

  it('bytes that are no text are kept', () => {
    assert(
      property(uint8Array({ maxLength: 20 }), (bytes) => {
        const encoded = Array.from(bytes, (byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
        expect(decodeURIComponent(canonicalCode(encoded).replace(/%[89A-F]./g, ''))).to.be.a('string');
        expect(canonicalCode(canonicalCode(encoded))).to.equal(canonicalCode(encoded));
      }),
    );
  });

  for (const [code, fault] of [
    ['1', undefined],
    ['ab', undefined],
    ['bücher', undefined],
    ['café', undefined],
    ['🚀', undefined],
    ['v1.2', undefined],
    ['a'.repeat(100), undefined],
    ['a'.repeat(255), undefined],
    ['a'.repeat(256), 'too-long'],
    ['ü'.repeat(43), 'too-long'],
    ['%C3%BC'.repeat(10_000), 'too-long'],
    ['-lead', undefined],
    ['trail_', undefined],
    ['', 'empty'],
    ['/ab', 'segments'],
    ['ab/', 'segments'],
    ['a//b', 'segments'],
    ['a/../b', 'segments'],
    ['a/%2e%2e/b', 'segments'],
    ['.', 'segments'],
    ['docs', 'reserved'],
    ['IMAGES', 'reserved'],
    ['Api/v1', 'reserved'],
    ['%61pi', 'reserved'],
    ['docs.html', 'reserved'],
    ['a/docs', undefined],
    ['code+', 'preview'],
    ['code%2B', 'preview'],
    ['abc12345.', 'forgiven'],
    ['a)', 'forgiven'],
    ['a…', 'forgiven'],
    [' a ', 'forgiven'],
    ['a\u200b', 'forgiven'],
    ['a%20', 'forgiven'],
    ['a\ufe0f', 'forgiven'],
    ['a\u3164', 'forgiven'],
    ['abc12345👍', 'forgiven'],
    ['abc👍', 'forgiven'],
    ['ab👍', undefined],
    ['abc12345的', 'forgiven'],
    ['abc12345%E7%9A%84', 'forgiven'],
    ['größer-menü', undefined],
    ['.well-known/acme-challenge/abc', 'reserved'],
    ['%2ewell-known/security.txt', 'reserved'],
    ['.env', 'reserved'],
    ['a/.well-known', undefined],
    ['a\nb', 'control'],
    ['a%00', 'control'],
    ['a\ud800', 'not-text'],
  ] as const) {
    const shown = code.length > 40 ? `${code.slice(0, 12)}… (${code.length} characters)` : code;
    it(`${JSON.stringify(shown)}: ${fault ?? 'is kept'}`, () => {
      expect(findCodeFault(code)).to.equal(fault);
    });
  }

  it('is looked for in a text of any kind in a time that grows with its length only', () => {
    const texts = [`${'.'.repeat(764)}a`, '👍'.repeat(380), `${'a.'.repeat(380)}a`, '%'.repeat(765)];
    const startedMs = threadCpuMs();
    for (let round = 0; round < 100; round += 1)
      for (const text of texts) {
        findTypedForeignKey(text);
        findForeignKey(text);
      }
    // Some 0.1 ms each. A search that begins at every character takes some ms.
    expect((threadCpuMs() - startedMs) / (100 * texts.length)).to.be.below(1);
  });

  it('no code in ASCII that is kept takes over what a look-up forgives', () => {
    assert(
      property(string({ unit: 'grapheme-ascii', maxLength: 30 }), (code) => {
        if (findCodeFault(code) === undefined) expect(findTypedKey(canonicalCode(code))).to.equal(undefined);
      }),
    );
  });
});
