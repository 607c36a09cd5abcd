import { expect } from 'chai';
import { Demand } from '../../mapper/keys/demand.ts';

const MAX_RESERVE = 100;

interface Case {
  readonly what: string;
  /** How many keys are drawn at which moments. */
  readonly draws: readonly (readonly [atMs: number, count: number])[];
  readonly target: number;
  readonly maxReserve?: number;
}

const CASES: readonly Case[] = [
  { what: 'a few keys before the first draw', draws: [], target: 8 },
  { what: 'no more than its bound, however small that is', draws: [], target: 3, maxReserve: 3 },
  { what: 'a few keys when fewer are drawn', draws: [[0, 7]], target: 8 },
  { what: 'as many as were drawn in the present second', draws: [[0, 30]], target: 30 },
  {
    what: 'all draws of one second',
    draws: [
      [0, 30],
      [999, 20],
    ],
    target: 50,
  },
  { what: 'no more than its bound', draws: [[0, 5_000]], target: MAX_RESERVE },
  {
    what: 'as many as in the previous second while the present one has just begun',
    draws: [
      [0, 30],
      [1_000, 1],
    ],
    target: 30,
  },
  {
    what: 'as many as in the present second as soon as that is more',
    draws: [
      [0, 30],
      [1_000, 40],
    ],
    target: 40,
  },
  {
    what: 'the last two seconds only',
    draws: [
      [0, 90],
      [1_000, 30],
      [2_000, 1],
    ],
    target: 30,
  },
  {
    what: 'nothing from before a quiet second',
    draws: [
      [0, 90],
      [2_000, 9],
    ],
    target: 9,
  },
  { what: 'the same on a clock that has run for a long time', draws: [[1e9, 30]], target: 30 },
];

describe('the demand for keys', () => {
  for (const { what, draws, target, maxReserve = MAX_RESERVE } of CASES) {
    it(`counts ${what}`, () => {
      const demand = new Demand(maxReserve);
      for (const [atMs, count] of draws) for (let draw = 0; draw < count; draw += 1) demand.countDraw(atMs);
      expect(demand.target).to.equal(target);
    });
  }
});
