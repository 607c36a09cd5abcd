import { expect } from 'chai';
import { RandomIds } from '../../runtime/random-ids.ts';

const COUNT = 10_000;

function take(ids: RandomIds): string[] {
  return Array.from({ length: COUNT }, () => ids.next());
}

const SHAPES = [
  [
    'UUIDs',
    (): RandomIds => RandomIds.uuid(),
    /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
  ],
  ['hexadecimal ids', (): RandomIds => RandomIds.hex(), /^[0-9a-f]{32}$/],
] as const;

/** The digits that stand at one place of the ids. */
function digitsAt(ids: readonly string[], place: number): Set<string | undefined> {
  return new Set(ids.map((id) => id[place]));
}

describe('random ids', () => {
  for (const [what, create, shape] of SHAPES) {
    it(`${what} have their shape and do not repeat`, () => {
      const ids = [...take(create()), ...take(create())];
      expect(ids.filter((id) => !shape.test(id))).to.deep.equal([]);
      expect(new Set(ids).size).to.equal(2 * COUNT);
    });

    it(`${what} tell nobody how many were made in between`, () => {
      const ids = take(create());
      // No two neighbours share a beginning or an ending, and they are in no order.
      const share = (a: string, b: string): boolean =>
        a.slice(0, 8) === b.slice(0, 8) || a.slice(-8) === b.slice(-8);
      expect(ids.some((id, index) => share(id, ids[index + 1] ?? ''))).to.equal(false);
      const rising = ids.filter((id, index) => id < (ids[index + 1] ?? '')).length;
      expect(rising).to.be.within(COUNT * 0.45, COUNT * 0.55);
      const fixed = what === 'UUIDs' ? [8, 13, 14, 18, 23] : [];
      for (let place = 0; place < (ids[0]?.length ?? 0); place += 1) {
        const expected = fixed.includes(place) ? 1 : what === 'UUIDs' && place === 19 ? 4 : 16;
        expect(digitsAt(ids, place).size, `place ${place}`).to.equal(expected);
      }
    });
  }
});
