import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { usualCounts } from '../../scripts/cluster/counts.ts';
import { RunDir } from '../../scripts/cluster/run-dir.ts';
import { DEFAULT_SHAPE, SMALL_SHAPE, type Shape } from '../../scripts/cluster/shape.ts';
import { State, type Counts, type Growth, type Setup } from '../../scripts/cluster/state.ts';

const SMALL: Setup = { keySource: 'counter', memory: 'small' };
const GROWING: Setup = { keySource: 'counter', memory: 'full' };
const FULL: Setup = { keySource: 'pools', memory: 'full' };
const COUNTS: Counts = { producers: 3, mappers: 4, processesPerMapper: 2 };

describe('the numbers of a cluster that was down', () => {
  const table: [what: string, Shape, Setup, Growth | undefined, Counts][] = [
    ['small', SMALL_SHAPE, SMALL, undefined, { producers: 0, mappers: 1, processesPerMapper: 1 }],
    ['full', DEFAULT_SHAPE, FULL, undefined, { producers: 3, mappers: 2, processesPerMapper: 1 }],
    ['growing', DEFAULT_SHAPE, GROWING, { counts: COUNTS }, COUNTS],
    [
      'growing, of an older version',
      SMALL_SHAPE,
      GROWING,
      {},
      { producers: 0, mappers: 2, processesPerMapper: 1 },
    ],
  ];
  for (const [what, shape, setup, growth, counts] of table)
    it(what, () => expect(usualCounts(shape, { setup, growth })).to.deep.equal(counts));

  it('the record of a growing one keeps them, and that of another does not', () => {
    const folder = mkdtempSync(join(tmpdir(), 'keymill-counts-'));
    try {
      const state = State.open(new RunDir(folder));
      state.recordCounts(COUNTS);
      state.recordCounts(undefined);
      expect({ growth: state.growth, counts: state.counts }).to.deep.equal({
        growth: undefined,
        counts: undefined,
      });
      const unfinished = { step: 'producers', way: 'grow' } as const;
      state.recordCounts(COUNTS);
      state.recordGrowth({ unfinished });
      // Once by `down`, and again by the `up` that finds nothing running.
      for (const _ of [1, 2]) state.recordCounts(undefined);
      expect(state.growth).to.deep.equal({ unfinished, counts: COUNTS });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
