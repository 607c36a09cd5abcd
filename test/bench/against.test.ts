import { expect } from 'chai';
import { judgeRun, judgeRuns, needsAnotherRun, type Verdict } from '../../bench/against/verdict.ts';
import { runKeymill } from '../operator/run-keymill.ts';
import { leftoversOf } from './leftovers.ts';

describe('bench --against: verdict', () => {
  for (const [ratio, interval, control, verdict] of [
    [1.2, [1.1, 1.3], 1, 'not slower'],
    [0.97, [0.96, 0.98], 1, 'not slower'],
    [0.969, [0.96, 0.98], 1, 'slower'],
    [0.9, [0.8, 1], 1, 'not slower'],
    [0.9, [0.8, 0.999], 1, 'slower'],
    [1.2, [1.1, 1.3], 1.03, 'not slower'],
    [1.2, [1.1, 1.3], 0.97, 'not slower'],
    [1.2, [1.1, 1.3], 1.031, 'control failed'],
    [0.5, [0.4, 0.6], 0.969, 'control failed'],
    [1, [1, 1], Number.NaN, 'control failed'],
    [Number.NaN, [Number.NaN, Number.NaN], 1, 'slower'],
  ] as const) {
    it(`${ratio} in ${interval.join(' to ')}, control ${control}: ${verdict}`, () => {
      expect(judgeRun({ ratio, interval, control })).to.equal(verdict);
    });
  }

  for (const [runs, verdict, again] of [
    [['not slower'], 'not slower', false],
    [['slower'], 'slower', true],
    [['control failed'], 'control failed', true],
    [['slower', 'not slower'], 'not slower', false],
    [['control failed', 'slower'], 'slower', true],
    [['slower', 'control failed', 'control failed'], 'slower', false],
    [['control failed', 'control failed', 'control failed'], 'control failed', false],
  ] as const satisfies readonly (readonly [readonly Verdict[], Verdict, boolean])[]) {
    it(`after ${runs.join(', ')}: ${verdict}, ${again ? 'measured again' : 'the last run'}`, () => {
      expect(judgeRuns(runs)).to.equal(verdict);
      expect(needsAnotherRun(runs)).to.equal(again);
    });
  }
});

describe('keymill bench --against', () => {
  for (const [what, args, complaint] of [
    ['an unknown commit', ['no-such-commit'], 'no such commit'],
    ['a commit that looks like an option', ['--upload-pack=x'], 'no such commit'],
    ['an unknown row', ['HEAD', 'nothing'], 'no bench nothing; these can be compared: redirect-hot'],
    ['a row that cannot be compared', ['HEAD', 'soak'], 'cannot compare soak; these can be compared'],
    ['a record', ['HEAD', '--into', 'figures.json'], '--into'],
  ] as const) {
    it(`refuses ${what} before anything starts`, async () => {
      const { exitCode, stdout, stderr } = await runKeymill(['bench', '--against', ...args]);
      expect({ exitCode, stdout }).to.deep.equal({ exitCode: 2, stdout: '' });
      expect(stderr).to.include(complaint);
    });
  }

  it('compares HEAD with itself on servers of their own, and leaves nothing behind', async function () {
    this.timeout(400_000);
    const left = await leftoversOf(async () => {
      const args = ['bench', '--against', 'HEAD', 'redirect-hot', '--quick', '--json'];
      const { exitCode, stdout, stderr } = await runKeymill(args);
      expect(exitCode, stderr).to.equal(0);
      const [row, ...others] = JSON.parse(stdout) as Compared[];
      expect(others).to.deep.equal([]);
      expect(row).to.include({ name: 'redirect-hot', decidedBy: 'cpu', quick: true, verdict: null });
      expect(row?.runs).to.have.length(1);
      expect(row?.runs[0]?.a).to.be.above(0);
      expect(row?.runs[0]?.b).to.be.above(0);
      expect(row?.runs[0]?.cpu.ratio).to.be.above(0);
      expect(row?.b.replace('+', '')).to.equal(row?.a);
    });
    expect(left).to.deep.equal([]);
  });
});

interface Compared {
  readonly a: string;
  readonly b: string;
  readonly runs: readonly {
    readonly a: number;
    readonly b: number;
    readonly cpu: { readonly ratio: number };
  }[];
}
