import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { REPOSITORY } from '../scripts/cluster/run-dir.ts';
import { DRILLS } from './catalogue.ts';
import type { Distribution, DrillReport } from './report.ts';

/** The table of figures in docs/reliability.md, made of the last run of each drill. */

const REPORTS = join(REPOSITORY, 'docs', 'drills.json');
const PAGE = join(REPOSITORY, 'docs', 'reliability.md');
const BEGIN = '<!-- made by ./scripts/keymill drill --figures -->';
const END = '<!-- end -->';

const HEAD = [
  'drill',
  'rounds',
  'shortens: sent, without success',
  'redirects: sent, without success',
  'lost, twice, misled, leaked',
  'unowned: p50, max (times)',
  'besides',
  'passed',
];

export function readReports(): DrillReport[] {
  return JSON.parse(readFileSync(REPORTS, 'utf8')) as DrillReport[];
}

/** Puts a report in place of the drill's last, in the order in which drills are listed, and makes the table anew. */
export function recordReport(report: DrillReport): void {
  const others = readReports().filter(({ name }) => name !== report.name);
  const places = new Map(DRILLS.map(({ name }, place) => [name, place]));
  const placeOf = ({ name }: DrillReport): number => places.get(name) ?? DRILLS.length;
  writeReports([...others, report].sort((a, b) => placeOf(a) - placeOf(b)));
  writeFigures();
}

/** Puts the table of docs/drills.json into the page, and takes this machine's paths out of that file. */
export function writeFigures(): void {
  const reports = readReports().map((report) => ({ ...report, historyFile: basename(report.historyFile) }));
  writeReports(reports);
  const page = readFileSync(PAGE, 'utf8');
  const before = page.slice(0, page.indexOf(BEGIN) + BEGIN.length);
  const after = page.slice(page.indexOf(END, before.length));
  writeFileSync(PAGE, `${before}\n\n${figuresTable(reports)}\n\n${after}`);
}

/** In one step: a run that is cut short leaves the old ones whole. */
function writeReports(reports: readonly DrillReport[]): void {
  const fresh = `${REPORTS}.new`;
  writeFileSync(fresh, `${JSON.stringify(reports, null, 2)}\n`);
  renameSync(fresh, REPORTS);
}

/** The table as the page has it now. @throws Error when the page has no place for it */
export function readTable(): string {
  const page = readFileSync(PAGE, 'utf8');
  const from = page.indexOf(BEGIN);
  if (from === -1 || page.indexOf(END, from) === -1) throw new Error('the page has no place for the figures');
  return page.slice(from + BEGIN.length, page.indexOf(END, from)).trim();
}

/** One row a drill, in Markdown as prettier sets it. */
export function figuresTable(reports: readonly DrillReport[]): string {
  const rows = reports.map((report) => [
    `\`${report.name}\``,
    String(report.rounds * Math.max(1, report.parts.length)),
    `${report.sent}, ${report.sent - report.acked}`,
    `${report.redirects}, ${report.redirectsFailed}`,
    `${report.lost}, ${report.duplicates}, ${report.wrongTarget}, ${report.leaked ?? '?'}`,
    timesOf(report.unownedMs),
    besides(report) || '-',
    report.passed ? 'yes' : `no: ${report.violations.join('; ')}`,
  ]);
  const widths = HEAD.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  return [line(HEAD), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}

function timesOf({ p50, max, all }: Distribution): string {
  return all.length === 0 ? '-' : `${p50} ms, ${max} ms (${all.length})`;
}

function besides({ parts, deadMs, during, backMs, stranded }: DrillReport): string {
  const percent = (share: number): string => `${(share * 100).toFixed(2)} %`;
  const said = [
    ...parts.flatMap(({ name, unownedMs }) =>
      unownedMs.all.length === 0 ? [] : [`${name}: ${timesOf(unownedMs)}`],
    ),
    deadMs.all.length === 0 ? '' : `fault to next holder ${deadMs.max} ms`,
    during.ackedShare < 1 ? `${percent(during.ackedShare)} of shortens during the fault` : '',
    during.redirectShare < 1 ? `${percent(during.redirectShare)} of redirects` : '',
    during.refused > 0 ? `${during.refused} refused, p99 ${during.refusedP99Ms} ms` : '',
    during.decay === null ? '' : `decay ${percent(during.decay)}`,
    backMs === null ? '' : `all back after ${backMs} ms`,
    stranded === null ? '' : `${stranded.keys} keys stranded of ${stranded.bound} possible`,
  ];
  return said.filter((one) => one !== '').join('; ');
}
