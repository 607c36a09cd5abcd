import { crc32 as crc32OfZlib } from 'node:zlib';
import { expect } from 'chai';
import * as fc from 'fast-check';
import { ALPHABET } from '../../db/keyspace/alphabet.ts';
import { crc32 } from '../../db/keyspace/crc32.ts';
import { createKeyspace, type Keyspace } from '../../db/keyspace/key.ts';
import { createPermutation } from '../../db/keyspace/permutation.ts';
import { placementOf, slotOf } from '../../db/keyspace/placement.ts';
import { findWords, isBlocked, isReserved, wasAlwaysReserved } from '../../db/keyspace/reserved.ts';
import { SLOT_COUNT } from '../../runtime/config/slots.ts';

const SECRET = 'a secret of the tests';
const LENGTHS = [6, 7, 8, 9, 10];
const regionBitsAt = (length: number): number => (length >= 8 ? 10 : 4);
const keyspaces = new Map<number, Keyspace>(
  LENGTHS.map((length) => [
    length,
    createKeyspace({ length, secret: SECRET, regionBits: regionBitsAt(length) }),
  ]),
);
const keyspaceOf = (length: number): Keyspace => {
  const keyspace = keyspaces.get(length);
  if (!keyspace) throw new Error(`no keyspace of length ${length}`);
  return keyspace;
};

describe('permutation', () => {
  it('maps every number of a small domain to another one, and back', () => {
    const halfBits = 5;
    const count = 2 ** (2 * halfBits);
    const permutation = createPermutation(Buffer.alloc(16, 7), halfBits);
    const high = Uint32Array.from({ length: count }, (_, i) => i >>> halfBits);
    const low = Uint32Array.from({ length: count }, (_, i) => i & (2 ** halfBits - 1));
    permutation.forward(high, low, count);
    const images = Array.from({ length: count }, (_, i) => ((high[i] ?? 0) << halfBits) | (low[i] ?? 0));
    expect(new Set(images).size).to.equal(count);
    expect(Math.max(...images)).to.equal(count - 1);
    expect(images.filter((image, i) => image === i).length, 'fixed points').to.be.below(10);
    permutation.backward(high, low, count);
    expect(Array.from(high, (value, i) => (value << halfBits) | (low[i] ?? 0))).to.deep.equal([
      ...images.keys(),
    ]);
  });
});

describe('keyspace', () => {
  /* Keys in print, links in databases: a change of any of these is a change of every key ever made. */
  const VECTORS: Record<number, readonly [string, string, string]> = {
    6: ['Dy79kD', 'oIg_Qa', 'z7ApAj'],
    7: ['4PuAMM4', 'N8_J8nX', '0dELrbr'],
    8: ['u4Yj_kTm', 'H26XuMBI', 'n2yWwzuW'],
    9: ['6OWnIm8G8', 'K9RnyduTF', 'XOaxHur3c'],
    10: ['qOfkkD5FZ_', 'wIDmPJa7NU', '1xV7hm8mtG'],
  };

  for (const length of LENGTHS) {
    it(`always gives the same keys, at length ${length}`, () => {
      const keyspace = keyspaceOf(length);
      const keys = [...keyspace.keysOf(1, 1, 2), ...keyspace.keysOf(15, keyspace.maxId, 1)];
      expect(keys).to.deep.equal(VECTORS[length]);
    });

    it(`finds region and id of every key, at length ${length}`, () => {
      const keyspace = keyspaceOf(length);
      fc.assert(
        fc.property(
          fc.nat(2 ** regionBitsAt(length) - 1),
          fc.integer({ min: 1, max: keyspace.maxId }),
          fc.integer({ min: 1, max: 20 }),
          (region, anyId, count) => {
            const firstId = Math.min(anyId, keyspace.maxId - count + 1);
            const keys = keyspace.keysOf(region, firstId, count);
            keys.forEach((key, i) => {
              expect(key)
                .to.match(/^[A-Za-z0-9_-]+$/)
                .and.have.length(length);
              expect(keyspace.locate(key)).to.deep.equal({ region, id: firstId + i });
            });
            expect(keyspace.locateAll(['?', ...keys]).slice(1)).to.deep.equal(
              keys.map((_, i) => ({ region, id: firstId + i })),
            );
          },
        ),
      );
    });

    it(`gives distinct keys across batches and regions, at length ${length}`, () => {
      const keyspace = keyspaceOf(length);
      const keys = [0, 1, 15].flatMap((region) => keyspace.keysOf(region, 1, 30_000));
      expect(new Set(keys).size).to.equal(90_000);
      expect(keyspace.keysOf(1, 10_000, 1)).to.deep.equal([keys[30_000 + 9_999]]);
    });
  }

  it('spreads every character of a key evenly over the alphabet', () => {
    const keys = keyspaceOf(8).keysOf(0, 1, 64_000);
    for (let position = 0; position < 8; position += 1) {
      const counts = new Map<string, number>();
      for (const key of keys) counts.set(key.charAt(position), (counts.get(key.charAt(position)) ?? 0) + 1);
      expect(counts.size).to.equal(ALPHABET.length);
      expect(Math.max(...counts.values()), `most frequent at ${position}`).to.be.below(1_160);
      expect(Math.min(...counts.values()), `rarest at ${position}`).to.be.above(850);
    }
  });

  it('differs for another secret, length or number of region bits', () => {
    const options = { length: 8, secret: SECRET, regionBits: 10 };
    const base = createKeyspace(options);
    const other = createKeyspace({ ...options, secret: `${SECRET}.` });
    expect(createKeyspace(options).fingerprint).to.equal(base.fingerprint);
    const fingerprints = [
      base,
      other,
      createKeyspace({ ...options, regionBits: 9 }),
      createKeyspace({ ...options, length: 9 }),
    ].map(({ fingerprint }) => fingerprint);
    expect(new Set(fingerprints).size).to.equal(4);
    const shared = new Set(base.keysOf(0, 1, 10_000)).intersection(new Set(other.keysOf(0, 1, 10_000)));
    expect(shared.size).to.equal(0);
  });

  it('locates nothing in a text that is not a key', () => {
    const keyspace = keyspaceOf(8);
    for (const text of ['', 'short', 'ninechars', 'has spac', 'plus+sig', 'ünïcödé1', 'emoji😀😀']) {
      expect(keyspace.locate(text), text).to.equal(undefined);
    }
  });

  it('refuses values out of range', () => {
    const keyspace = keyspaceOf(6);
    expect(() => keyspace.keysOf(16, 1, 1)).to.throw(RangeError, 'region');
    expect(() => keyspace.keysOf(0, 0, 1)).to.throw(RangeError, 'ids');
    expect(() => keyspace.keysOf(0, keyspace.maxId, 2)).to.throw(RangeError, 'ids');
    expect(() => createKeyspace({ length: 5, secret: SECRET, regionBits: 4 })).to.throw(RangeError, 'length');
    expect(() => createKeyspace({ length: 8, secret: SECRET, regionBits: 25 })).to.throw(
      RangeError,
      'region bits',
    );
  });
});

describe('placement', () => {
  const keys = keyspaceOf(8).keysOf(0, 1, 40_000);

  it('has the checksum of zlib for every text', () => {
    const text = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.constantFrom('', 'ÿ', '\ud800'));
    fc.assert(fc.property(text, (any) => crc32(any) === crc32OfZlib(any)));
    for (const key of keys.slice(0, 1_000)) expect(crc32(key)).to.equal(crc32OfZlib(key));
  });

  it('feeds every slot from every pool, evenly', () => {
    const counts = new Map<string, number>();
    for (const key of keys) {
      const cell = `${placementOf(key, 4)}/${slotOf(key)}`;
      counts.set(cell, (counts.get(cell) ?? 0) + 1);
    }
    expect(counts.size).to.equal(4 * SLOT_COUNT);
    const expected = keys.length / counts.size;
    expect(Math.min(...counts.values())).to.be.above(expected * 0.7);
    expect(Math.max(...counts.values())).to.be.below(expected * 1.3);
  });
});

describe('reserved and blocked words', () => {
  it('reserves the paths of the service, in any case and with any extension', () => {
    for (const word of [
      'urls',
      'URLS',
      'Livez',
      'robots',
      'robots.txt',
      'FAVICON.ico',
      'settings',
      'metrics',
    ]) {
      expect(isReserved(word), word).to.equal(true);
    }
    for (const word of ['', 'url', 'urlss', 'my-urls', 'healthy', 'constructor']) {
      expect(isReserved(word), word).to.equal(false);
    }
  });

  it('reserves more words than the first release did, whose links may still have those', () => {
    for (const word of ['drain', 'Recycle', 'status', 'well-known', 'GraphQL', 'ping.json']) {
      expect([isReserved(word), wasAlwaysReserved(word)], word).to.deep.equal([true, false]);
    }
  });

  it('sees through lookalikes, case and separators', () => {
    for (const key of ['xxFUCKxx', 'abFvcKab', 'sh1tAAAA', '5h-i_tAA', 'AAAAcunt', 'P-0-R-Nx']) {
      expect(isBlocked(key), key).to.equal(true);
    }
    for (const key of ['EEnUddu-', 'ij2-MgD-', 'shi-rt00']) expect(isBlocked(key), key).to.equal(false);
  });

  it('finds among many exactly what it finds one by one', () => {
    const character = fc.constantFrom(...'fuckshit-_17AZ'.split(''));
    const key = fc.array(character, { minLength: 6, maxLength: 6 }).map((characters) => characters.join(''));
    fc.assert(
      fc.property(
        fc.array(fc.oneof(key, fc.constantFrom('images', 'STATIC', 'Verify', 'xHEAlt')), { maxLength: 40 }),
        (keys) => {
          const expected = [...keys.keys()].filter(
            (i) => isBlocked(keys[i] ?? '') || isReserved(keys[i] ?? ''),
          );
          expect(findWords(keys.join(' '), 6)).to.deep.equal(expected);
        },
      ),
    );
  });

  it('blocks only a small share of the keys', () => {
    expect(findWords(keyspaceOf(8).bytesOf(3, 1, 100_000).toString(), 8).length).to.be.within(50, 500);
  });
});
