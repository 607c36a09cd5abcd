import { expect } from 'chai';
import { Places } from '../../mapper/bulk/places.ts';

/** How many places a user gets. */
function takeAll(places: Places, userId: bigint): number {
  for (let taken = 0; ; taken += 1)
    try {
      places.take(userId);
    } catch {
      return taken;
    }
}

describe('places that users share', () => {
  it('are never all taken by some of them', () => {
    const places = new Places({ all: 3_000, ofOwner: 1_000, isShared: true });
    const taken = [1n, 2n, 3n, 4n, 5n].map((userId) => takeAll(places, userId));
    expect(taken).to.deep.equal([1_000, 1_000, 500, 250, 125]);
  });

  it('are all taken by some of them where they are not shared', () => {
    const places = new Places({ all: 200, ofOwner: 100 });
    expect([1n, 2n, 3n].map((userId) => takeAll(places, userId))).to.deep.equal([100, 100, 0]);
  });
});
