import { expect } from 'chai';
import { hasKeyShape, whyAliasRefused } from '../../db/keyspace/alias.ts';

describe('aliases', () => {
  for (const alias of [
    'abc',
    'A-b_9',
    '---',
    'x'.repeat(64),
    'urlsx',
    'my-admin',
    '__proto__',
    'constructor',
  ]) {
    it(`accepts ${alias}`, () => expect(whyAliasRefused(alias)).to.equal(undefined));
  }

  const REFUSED: readonly (readonly [string, RegExp])[] = [
    ['', /3 to 64/],
    ['ab', /3 to 64/],
    ['x'.repeat(65), /3 to 64/],
    ['a b', /A-Z/],
    ['a.b', /A-Z/],
    ['äöü', /A-Z/],
    ['abc\n', /A-Z/],
    ['a/b', /A-Z/],
    ['a%62', /A-Z/],
    ['urls', /reserved/],
    ['URLS', /reserved/],
    ['Favicon', /reserved/],
  ];
  for (const [alias, reason] of REFUSED) {
    it(`refuses ${JSON.stringify(alias)}`, () => expect(whyAliasRefused(alias)).to.match(reason));
  }

  it('refuses every reserved word in any case', () => {
    const words =
      'urls users images health livez readyz metrics dashboard admin api docs openapi assets static login logout signup settings stats qr bulk export import robots favicon';
    for (const word of words.split(' ').filter(({ length }) => length >= 3)) {
      expect(whyAliasRefused(word), word).to.equal('is reserved');
      expect(whyAliasRefused(word.toUpperCase()), word).to.equal('is reserved');
    }
  });

  it('recognises the shape of a key', () => {
    for (const segment of ['abcdefgh', 'abc', '-_-']) expect(hasKeyShape(segment), segment).to.equal(true);
    for (const segment of [
      '',
      'ab',
      'a'.repeat(65),
      'robots.txt',
      'urls',
      'Metrics',
      'a b',
      'a+b',
      'abc\n',
    ]) {
      expect(hasKeyShape(segment), segment).to.equal(false);
    }
  });
});
