import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { formatFigure } from '../../runtime/terminal/units.ts';
import type { BenchRecord, RecordedRun } from '../../scripts/figures/bench-record.ts';

/** What stands between these two lines of the page comes from the record; the rest is written by people. */
const BEGIN = '<!-- prettier-ignore-start -->\n<!-- figures: from benchmarks.json -->\n';
const END = '<!-- end of figures -->\n<!-- prettier-ignore-end -->\n';

/** The page that belongs to a record: `docs/benchmarks.json` → `docs/benchmarks.md`. */
export function pagePathOf(recordPath: string): string {
  return recordPath.replace(/(\.json)?$/, '.md');
}

/** The page with its tables from the record; unchanged when it has no place for them. Pure. */
export function updatePage(page: string, record: BenchRecord): string {
  const begin = page.indexOf(BEGIN);
  const end = page.indexOf(END);
  if (begin < 0 || end < begin) return page;
  return page.slice(0, begin + BEGIN.length) + renderFigures(record) + page.slice(end);
}

/** Brings the page beside a record up to date, if there is one. */
export function rewritePage(recordPath: string, record: BenchRecord): void {
  const path = pagePathOf(recordPath);
  if (existsSync(path)) writeFileSync(path, updatePage(readFileSync(path, 'utf8'), record));
}

/** The newest run of each row, then all runs, newest first, then the machines. Pure. */
export function renderFigures({ rows }: BenchRecord): string {
  const all = Object.values(rows);
  if (all.length === 0) return '\nNo figure is recorded yet.\n\n';
  const newest = all.flatMap((runs) => runs.slice(0, 1));
  const machines = [...new Set(all.flat().map(({ machine }) => machine))];
  const machineOf = (run: RecordedRun): string => `M${machines.indexOf(run.machine) + 1}`;
  const history = all.flat().toSorted((a, b) => (a.date < b.date ? 1 : -1));
  return [
    '',
    '### Newest figures',
    '',
    ...table(
      ['row', 'figure', 'beside', 'ratio', '95 % interval', 'goal', '', 'control', 'date', 'machine'],
      newest.map((run) => [
        `\`${run.name}\``,
        figure(run.value, run.unit),
        `${figure(run.baselineValue, unitOf(run))}: ${run.baseline}`,
        run.ratio.toFixed(3),
        `${formatFigure(run.interval[0])} – ${formatFigure(run.interval[1])} (${run.judged})`,
        goalOf(run),
        verdictOf(run),
        run.control.toFixed(3),
        run.date.slice(0, 10),
        machineOf(run),
      ]),
    ),
    '',
    '### Machines',
    '',
    ...machines.map((machine, i) => `- M${i + 1}: ${machine}`),
    '',
    '### History',
    '',
    ...table(
      ['date', 'commit', 'row', 'figure', 'ratio', 'control', '', 'command'],
      history.map((run) => [
        run.date.slice(0, 16).replace('T', ' '),
        run.commit,
        `\`${run.name}\``,
        figure(run.value, run.unit),
        run.ratio.toFixed(3),
        run.control.toFixed(3),
        verdictOf(run),
        `\`${run.command}\``,
      ]),
    ),
    '',
    '',
  ].join('\n');
}

function figure(value: number, unit: string): string {
  return `${formatFigure(value)} ${unit}`.trim();
}

/** Some rows stand beside something of another kind, and say so in words. */
function unitOf({ unit, baseline }: RecordedRun): string {
  return /\b(requests at the same|MiB)\b/.test(baseline) ? '' : unit;
}

function goalOf({ goal, better, judged }: RecordedRun): string {
  if (goal === null) return '';
  return `${better === 'higher' ? 'at least' : 'at most'} ${formatFigure(goal)} (${judged})`;
}

function verdictOf({ passed, details }: RecordedRun): string {
  if (passed) return 'passed';
  const { reason } = details;
  return typeof reason === 'string' ? `**not passed**: ${reason}` : '**not passed**';
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)];
}
