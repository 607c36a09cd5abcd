import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { ratesOf } from '../../bench/method/rates.ts';
import { toRow } from '../../bench/method/row.ts';
import { renderFigures, updatePage } from '../../bench/record/page.ts';
import { REPOSITORY } from '../../scripts/cluster/run-dir.ts';
import { readRecord } from '../../scripts/figures/bench-record.ts';
import { runKeymill } from '../operator/run-keymill.ts';
import { leftoversOf } from './leftovers.ts';

const MEASURED = {
  name: 'x',
  unit: 'keys/s',
  samples: [90, 100, 110],
  baseline: 'raw',
  baselineValue: 200,
  control: 1,
};

describe('bench: figures', () => {
  it('computes rates of equal segments from irregular observations of a count', () => {
    const steady = [0, 100, 250, 400, 1_000].map((ms) => [ms, ms * 5] as const);
    for (const rate of ratesOf(steady, 10)) expect(rate).to.be.closeTo(5_000, 0.01);
    const slowing = [
      [0, 0],
      [1_000, 1_000],
      [3_000, 2_000],
    ] as const;
    expect(ratesOf(slowing, 2).map(Math.round)).to.deep.equal([1_000, 500]);
    expect(ratesOf([], 3)).to.deep.equal([]);
    expect(ratesOf([[5, 5]], 3)).to.deep.equal([]);
  });

  it('judges a row by its goal, in its direction, and by further conditions', () => {
    expect(toRow(MEASURED)).to.deep.include({
      value: 100,
      ratio: 0.5,
      goal: null,
      passed: true,
      better: 'higher',
    });
    expect(toRow({ ...MEASURED, goal: 100 }).passed).to.equal(true);
    expect(toRow({ ...MEASURED, goal: 101 }).passed).to.equal(false);
    expect(toRow({ ...MEASURED, goal: 101, better: 'lower' }).passed).to.equal(true);
    expect(toRow({ ...MEASURED, goal: 1, holds: false }).passed).to.equal(false);
  });
});

describe('keymill bench', () => {
  it('--list names every bench and whether it is long', async () => {
    const { exitCode, stdout } = await runKeymill(['bench', '--list', '--json']);
    const list = JSON.parse(stdout) as { name: string; long: boolean }[];
    expect(exitCode).to.equal(0);
    expect(list)
      .to.deep.include({ name: 'generate', long: true })
      .and.deep.include({ name: 'deliver', long: false });
  });

  it('refuses an unknown name before anything starts', async () => {
    const { exitCode, stdout, stderr } = await runKeymill(['bench', 'permute', 'nothing']);
    expect({ exitCode, stdout }).to.deep.equal({ exitCode: 2, stdout: '' });
    expect(stderr).to.include('no bench nothing');
  });

  it('refuses so few rounds that their interval says nothing', async () => {
    const { exitCode, stdout, stderr } = await runKeymill(['bench', 'permute', '--rounds', '19']);
    expect({ exitCode, stdout }).to.deep.equal({ exitCode: 2, stdout: '' });
    expect(stderr).to.include('--rounds 19: expected a whole number of at least 20');
  });

  it('permute gives one complete row', async () => {
    const { exitCode, stdout } = await runKeymill(['bench', 'permute', '--json']);
    expect(exitCode).to.equal(0);
    const rows = JSON.parse(stdout) as Record<string, unknown>[];
    expect(rows).to.have.length(1);
    expect(rows[0]).to.include.all.keys(
      'name',
      'value',
      'unit',
      'baseline',
      'baselineValue',
      'ratio',
      'interval',
      'control',
      'better',
      'goal',
      'passed',
    );
    expect(rows[0]).to.include({ name: 'permute', goal: null, passed: true });
  });

  it('leaves nothing behind after a bench on private servers', async function () {
    this.timeout(180_000);
    const left = await leftoversOf(async () => {
      const { exitCode, stdout, stderr } = await runKeymill(['bench', 'claim', '--json']);
      expect(exitCode, stderr).to.equal(0);
      const [row] = JSON.parse(stdout) as { value: number; baselineValue: number }[];
      expect(row).to.include({ name: 'claim', unit: 'claims/s' });
      expect(row?.value).to.be.above(0);
      expect(row?.baselineValue).to.be.above(0);
    });
    expect(left).to.deep.equal([]);
  });

  it('measures a quick row on a private cluster without a verdict: a mapper beside two bare servers', async function () {
    this.timeout(300_000);
    const left = await leftoversOf(async () => {
      const { exitCode, stdout, stderr } = await runKeymill(['bench', 'redirect-hot', '--quick', '--json']);
      expect(exitCode, stderr).to.equal(0);
      const [row] = JSON.parse(stdout) as Record<string, unknown>[];
      expect(row).to.include({ name: 'redirect-hot', goal: 1.5, judged: 'ratio' });
      expect(row).to.include({ quick: true, passed: false });
      expect(row?.['ratio']).to.be.above(0);
      const [nginx] = (row?.['further'] ?? []) as { label: string; ratio: number; goal: number }[];
      expect(nginx).to.include({ label: 'beside nginx', goal: 0.9 });
      expect(nginx?.ratio).to.be.above(0);
    });
    expect(left).to.deep.equal([]);
  });
});

describe('keymill bench --into', () => {
  const dir = mkdtempSync(join(tmpdir(), 'keymill-bench-'));
  after(() => rmSync(dir, { recursive: true }));
  const record = join(dir, 'figures/benchmarks.json');
  const page = join(dir, 'benchmarks.md');
  mkdirSync(join(dir, 'figures'));
  const published = readFileSync(join(REPOSITORY, 'docs/benchmarks.md'), 'utf8');

  it('adds each run in front of the older ones, with its place and time, and updates the page', async () => {
    writeFileSync(page, published);
    for (const _ of [1, 2])
      expect((await runKeymill(['bench', 'permute', '--into', record])).exitCode).to.equal(0);
    const runs = readRecord(record).rows['permute'] ?? [];
    expect(runs).to.have.length(2);
    expect(Date.parse(runs[0]?.date ?? '')).to.be.above(Date.parse(runs[1]?.date ?? ''));
    expect(runs[0]).to.deep.include({ name: 'permute', command: './scripts/keymill bench permute' });
    expect(runs[0]?.machine).to.match(/\d+ × .+Node 26/);
    expect(runs[0]?.commit).to.match(/^([0-9a-f]{10}\+?|unknown)$/);
    const text = readFileSync(page, 'utf8');
    expect(text).to.include(renderFigures(readRecord(record)));
    expect(text.match(/\| `permute` \|/g), 'the newest run alone').to.have.length(1);
  });

  it('refuses a file that is not a record before anything is measured', async () => {
    const other = join(dir, 'other.json');
    writeFileSync(other, '{"rows": 7}');
    const { exitCode, stderr } = await runKeymill(['bench', 'permute', '--into', other]);
    expect(exitCode).to.equal(2);
    expect(stderr).to.include('is no record of benches');
    expect(readFileSync(other, 'utf8')).to.equal('{"rows": 7}');
  });

  it('refuses to record quick figures', async () => {
    const { exitCode, stderr } = await runKeymill(['bench', 'permute', '--quick', '--into', record]);
    expect(exitCode).to.equal(2);
    expect(stderr).to.include('--quick');
  });

  it('the published page matches the published record', () => {
    const recorded = readRecord(join(REPOSITORY, 'docs/figures/benchmarks.json'));
    expect(updatePage(published, recorded)).to.equal(published);
    expect(published).to.include(renderFigures(recorded));
  });

  it('each further comparison of a row has a line of its own on the page, with its own verdict', () => {
    const [run] = Object.values(readRecord(join(REPOSITORY, 'docs/figures/benchmarks.json')).rows).flat();
    if (run === undefined) throw new RangeError('nothing is recorded');
    const passed = { ...run, name: 'x', better: 'higher', judged: 'ratio', passed: true } as const;
    const nginx = {
      label: 'beside nginx',
      value: 7,
      baseline: 'an nginx',
      baselineValue: 10,
      ratio: 0.7,
      interval: [0.6, 0.8],
      goal: 0.9,
      isReached: false,
    } as const;
    const text = renderFigures({ rows: { x: [{ ...passed, unit: 'requests/s', further: [nginx] }] } });
    expect(text).to.match(/^\| `x` \| .* \| passed \|$/m);
    expect(text).to.include(
      '| `x` beside nginx | 7 requests/s | 0.700 | 0.6 – 0.8 | ratio at least 0.9 | **missed** |',
    );
    expect(text.replaceAll(/\s+/g, ' ')).to.include('Beside nginx: baseline 10 requests/s (an nginx).');
  });

  it('no line of the published page is wider than 110 columns', () => {
    expect(published.split('\n').filter((line) => line.length > 110)).to.deep.equal([]);
  });
});
