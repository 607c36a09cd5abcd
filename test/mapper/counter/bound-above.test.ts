import { expect } from 'chai';
import { createKeyspace } from '../../../db/keyspace/key.ts';
import { findUnboundAbove } from '../../../mapper/keys/bound-above.ts';

const REGION = 1_023;

describe('how far keys by counter are bound', () => {
  const keyspace = createKeyspace({ length: 8, secret: 'a secret for tests only', regionBits: 10 });

  /** Of the ids up to `highest`, `share` are bound. */
  async function find(from: number, highest: number, share = 1): Promise<number> {
    return findUnboundAbove(from, {
      keyspace,
      region: REGION,
      findBound: async (keys) =>
        new Set(keys.filter((key) => isBound(keyspace.locate(key)?.id ?? 0, highest, share))),
    });
  }

  function isBound(id: number, highest: number, share: number): boolean {
    // Every n-th hundred of ids, as mappers that were killed leave them.
    return id <= highest && Math.floor(id / 100) % Math.round(1 / share) === 0;
  }

  for (const [from, highest, share] of [
    [0, 0, 1],
    [1_000, 1_000, 1],
    [1_000, 5_000, 1],
    [1_000, 200_000, 1],
    [1_000, 200_000, 0.1],
    [50_000, 10_000_000, 0.25],
    [7, 30_000_000, 1],
  ] as const)
    it(`is found from ${from} when ${share * 100} % up to ${highest} are`, async () => {
      const to = await find(from, highest, share);
      expect(to)
        .to.be.above(highest)
        .and.at.most(Math.max(from, 2.1 * highest) + 150_000);
      expect(to - from, 'what other mappers allow for').to.be.below(2 ** 26);
    });

  it('is at most the end of the region', async () => {
    expect(await find(keyspace.maxId - 5, keyspace.maxId)).to.equal(keyspace.maxId);
  });
});
