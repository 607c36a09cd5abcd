import { globSync } from 'node:fs';
import { expect } from 'chai';
import { phasesOf, secondsOf } from '../../scripts/checks/lanes.ts';
import { REPOSITORY } from '../../scripts/cluster/run-dir.ts';

describe('the lanes of test files', () => {
  const all = globSync('test/**/*.test.ts', { cwd: REPOSITORY }).toSorted();

  it('have every file once', () => {
    expect(phasesOf(all).flat(2).toSorted()).to.deep.equal(all);
  });

  it('run most tests in two lanes, then clusters in two lanes, and at last what measures, alone', () => {
    const [most = [], clusters = [], measuring = []] = phasesOf(all);
    expect([most.length, clusters.length]).to.deep.equal([2, 2]);
    expect(measuring).to.deep.equal([['test/bench/bench.test.ts', 'test/e2e/failover.test.ts']]);
    expect(clusters[0]).to.deep.equal(['test/bench/against.test.ts', 'test/drills/short.test.ts']);
    expect(clusters[1]).to.include('test/e2e/up-and-down.test.ts').and.not.to.include(measuring[0]?.[1]);
    const seconds = most.map(secondsOf);
    expect(Math.max(...seconds) - Math.min(...seconds)).to.be.at.most(10);
    expect(most.filter((lane) => lane.some((file) => file.startsWith('test/browser/')))).to.have.length(1);
  });

  it('are one for few files, and none for no files', () => {
    const few = ['test/db/pool.test.ts', 'test/runtime/lifecycle.test.ts'];
    expect(phasesOf(few)).to.deep.equal([[few]]);
    expect(phasesOf(['test/e2e/grow.test.ts'])).to.deep.equal([[['test/e2e/grow.test.ts']]]);
    expect(phasesOf([])).to.deep.equal([]);
  });
});
