import { expect } from 'chai';
import { HeldRanges } from '../../db/audit/held-ranges.ts';
import { createRandom } from '../../runtime/random.ts';

describe('ranges of ids that mappers hold', () => {
  it('are found as by looking at each of them, overlapping ones too', () => {
    const seed = Number(process.env['KEYMILL_TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
    const random = createRandom(seed);
    for (let round = 0; round < 100; round += 1) {
      const held = new HeldRanges();
      const all = Array.from({ length: Math.floor(random() * 12) }, (_, number) => {
        const first = 1 + Math.floor(random() * 80);
        return { spot: `mapper-${number}`, first, last: first + Math.floor(random() ** 3 * 60) };
      });
      for (const range of all) held.add(range);
      for (let id = 0; id <= 150; id += 1) {
        const holders = all.filter(({ first, last }) => first <= id && id <= last);
        const found = held.find(id);
        const story = `seed ${seed}, id ${id} in ${JSON.stringify(all)}`;
        expect(found?.isRepeated ?? false, story).to.equal(holders.length > 1);
        if (found === undefined) expect(holders, story).to.deep.equal([]);
        else
          expect(
            holders.map(({ spot }) => spot),
            story,
          ).to.include(found.spot);
      }
    }
  });

  it('are found quickly: a million ids among those of 64 processes', function () {
    this.timeout(10_000);
    const held = new HeldRanges();
    for (let number = 0; number < 128; number += 1)
      held.add({ spot: `mapper-${number}`, first: number * 10_000, last: number * 10_000 + 4_999 });
    let hits = 0;
    for (let id = 0; id < 1_000_000; id += 1) if (held.find(id) !== undefined) hits += 1;
    expect(hits).to.equal(500_000);
  });
});
