import { expect } from 'chai';
import { hasLooseEnd, hasLooseEndAt, idsFor, keysAmong } from '../../db/keyspace/loose-ends.ts';

describe('keys with loose ends', () => {
  const TABLE: readonly (readonly [string, boolean])[] = [
    ['OLq5DC1_', true],
    ['OLq5DC1-', true],
    ['_Lq5DC1a', true],
    ['-Lq5DC1a', true],
    ['-_-_-_-_', true],
    ['OL-5_C1a', false],
    ['OLq5DC1a', false],
    ['Zz09Zz09', false],
  ];

  for (const [key, isLoose] of TABLE) {
    it(`${isLoose ? 'are' : 'are not'} ${key}`, () => {
      expect(hasLooseEnd(key)).to.equal(isLoose);
      expect(hasLooseEndAt(Buffer.from(`-${key}-`), 1, key.length)).to.equal(isLoose);
    });
  }

  it('are 6 % of the ids', () => {
    expect(keysAmong(100_000)).to.equal(93_847);
    expect(idsFor(93_847)).to.be.within(99_998, 100_001);
    expect(idsFor(0)).to.equal(0);
  });
});
