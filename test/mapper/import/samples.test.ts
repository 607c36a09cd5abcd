import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { runKeymill } from '../../operator/run-keymill.ts';

const SAMPLES = join(import.meta.dirname, 'samples');
const REPORTS = join(import.meta.dirname, 'reports');

/** Reports of a sample with options, by the name of the report. Each sample also has one without options. */
const WITH_OPTIONS: Readonly<Record<string, readonly [sample: string, ...options: string[]]>> = {
  'yourls-berlin.json': ['yourls/table-yourls_url.csv', '--timezone', 'Europe/Berlin'],
  'dates-berlin.json': ['quirks/dates.csv', '--timezone', 'Europe/Berlin', '--date-order', 'day-first'],
  'semicolon-berlin.json': [
    'quirks/semicolon-excel-de.csv',
    '--timezone',
    'Europe/Berlin',
    '--date-order',
    'day-first',
  ],
  'shlink-domain.json': ['shlink/web-client-short_urls.csv', '--domain', 'go.example'],
  'foreign-codes-renamed.json': ['quirks/foreign-codes.csv', '--rename', 'map.csv'],
  'dub-renamed.json': ['dub/export-default.csv', '--from', 'dub', '--rename', 'map.csv'],
  'kutt-as-sink.json': ['kutt/api-v2-links.json', '--from', 'sink'],
};

/**
 * What `keymill import --dry-run` says of each sample. To write a report again:
 * `KEYMILL_PUBLIC_URL=https://s.example ./scripts/keymill import SAMPLE --dry-run --json > REPORT`
 */
describe('keymill import --dry-run: the samples of other shorteners', () => {
  const samples = readdirSync(SAMPLES, { recursive: true, encoding: 'utf8' })
    .filter((name) => name !== 'README.md' && statSync(join(SAMPLES, name)).isFile())
    .toSorted();
  const reports: Readonly<Record<string, readonly string[]>> = {
    ...Object.fromEntries(samples.map((sample) => [`${sample.replace('/', '-')}.json`, [sample]])),
    ...WITH_OPTIONS,
  };

  for (const [report, [sample = '', ...options]] of Object.entries(reports)) {
    it(`${[sample, ...options].join(' ')}: as in its report`, async () => {
      const { stdout, exitCode } = await runKeymill(
        ['import', join(SAMPLES, sample), '--dry-run', '--json', ...options],
        { KEYMILL_PUBLIC_URL: 'https://s.example' },
      );
      expect(stdout).to.equal(readFileSync(join(REPORTS, report), 'utf8'));
      const { outcomes, summary } = JSON.parse(stdout) as {
        outcomes: { row: number | null; reason?: string }[];
        summary: { records: number };
      };
      const rows = new Set(outcomes.map(({ row }) => row).filter((row) => row !== null));
      expect(rows.size, 'every record has an outcome').to.equal(summary.records);
      expect(exitCode).to.equal(outcomes.some(({ reason }) => reason !== undefined) ? 1 : 0);
    });
  }

  it('has no report without a sample', () => {
    expect(readdirSync(REPORTS).toSorted()).to.deep.equal(Object.keys(reports).toSorted());
  });

  it('says the same for a person, without control characters of the file', async () => {
    const { stdout, exitCode } = await runKeymill(
      ['import', join(SAMPLES, 'quirks/quoted-newline.csv'), '--dry-run'],
      { KEYMILL_PUBLIC_URL: 'https://s.example' },
    );
    expect({ stdout, exitCode }).to.deep.equal({
      exitCode: 0,
      stdout:
        'line 2, row 1: taken; title: line breaks and control characters became blanks\n' +
        'csv, UTF-8: 2 records, 2 links would be taken\n',
    });
  });

  for (const [args, said] of [
    [['missing.csv', '--dry-run'], 'cannot read missing.csv'],
    [['README.md', '--dry-run', '--timezone', 'Europe/Atlantis'], 'there is no time zone "Europe/Atlantis"'],
    [['README.md', '--dry-run', '--from', 'tinyurl'], 'csv'],
    [['README.md', '--dry-run', '--date-order', 'year-first'], 'day-first'],
    [['.', '--dry-run'], 'is not a file'],
  ] as const) {
    it(`${args.join(' ')}: exit code 2, and says what would be right`, async () => {
      const { exitCode, stdout, stderr } = await runKeymill(['import', ...args]);
      expect({ exitCode, stdout }).to.deep.equal({ exitCode: 2, stdout: '' });
      expect(stderr).to.include(said);
    });
  }
});
