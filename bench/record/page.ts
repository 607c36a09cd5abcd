import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, parse } from 'node:path';
import { formatFigure } from '../../runtime/terminal/units.ts';
import type { BenchRecord, RecordedComparison, RecordedRun } from '../../scripts/figures/bench-record.ts';

/** The text between these two lines of the page is made from the record. People write the rest. */
const BEGIN = '<!-- prettier-ignore-start -->\n<!-- made from figures/benchmarks.json -->\n';
const END = '<!-- end of figures -->\n<!-- prettier-ignore-end -->\n';

/** Columns of a line in the source of the page. */
const MAX_COLUMNS = 110;

/** The page of a record is one folder above it: `docs/figures/benchmarks.json` → `docs/benchmarks.md`. */
export function pagePathOf(recordPath: string): string {
  return join(dirname(dirname(recordPath)), `${parse(recordPath).name}.md`);
}

/** The page with its figures from the record; unchanged when the page has no place for them. Pure. */
export function updatePage(page: string, record: BenchRecord): string {
  const begin = page.indexOf(BEGIN);
  const end = page.indexOf(END);
  if (begin < 0 || end < begin) return page;
  return page.slice(0, begin + BEGIN.length) + renderFigures(record) + page.slice(end);
}

/** Brings the page of a record up to date, if the page exists. */
export function rewritePage(recordPath: string, record: BenchRecord): void {
  const path = pagePathOf(recordPath);
  if (existsSync(path)) writeFileSync(path, updatePage(readFileSync(path, 'utf8'), record));
}

/**
 * The newest run of each row: a table of results, then what each row is compared with, then the machines.
 * Pure.
 */
export function renderFigures({ rows }: BenchRecord): string {
  const newest = Object.values(rows).flatMap((runs) => runs.slice(0, 1));
  if (newest.length === 0) return '\nNo figure is recorded yet.\n\n';
  const machines = [...new Set(newest.map(({ machine }) => machine))];
  const machineOf = (run: RecordedRun): string => `M${machines.indexOf(run.machine) + 1}`;
  return [
    '',
    ...table(
      ['row', 'figure', 'ratio', '95 % interval', 'goal', 'result'],
      newest.flatMap((run) => [
        cellsOf(`\`${run.name}\``, run, run),
        ...(run.further ?? []).map((further) => cellsOf(`\`${run.name}\` ${further.label}`, run, further)),
      ]),
    ),
    '',
    'What each row is compared with, its control, and when and where it was measured:',
    '',
    ...newest.flatMap((run) => item(comparisonOf(run, machineOf(run)))),
    '',
    'The machines:',
    '',
    ...machines.flatMap((machine, index) => item(`M${index + 1}: ${machine}`)),
    '',
    '',
  ].join('\n');
}

/** One line of the table: the row itself, or one of its further comparisons. */
function cellsOf(title: string, run: RecordedRun, compared: RecordedRun | RecordedComparison): string[] {
  const { value, ratio, interval, goal } = compared;
  const isPassed = 'passed' in compared ? compared.passed : compared.isReached;
  return [
    title,
    figure(value, run.unit),
    ratio.toFixed(3),
    `${formatFigure(interval[0])} – ${formatFigure(interval[1])}`,
    goalOf({ ...run, goal }),
    isPassed ? 'passed' : '**missed**',
  ];
}

function comparisonOf(run: RecordedRun, machine: string): string {
  const { name, baseline, baselineValue, control, date, commit, passed, details } = run;
  const reason = !passed && typeof details['reason'] === 'string' ? ` Not passed: ${details['reason']}.` : '';
  const further = (run.further ?? []).map(
    ({ label, ...one }) =>
      ` ${label.charAt(0).toUpperCase()}${label.slice(1)}: baseline ${figure(one.baselineValue, run.unit)} (${one.baseline}).`,
  );
  return (
    `\`${name}\`: baseline ${figure(baselineValue, unitOfBaseline(run))} (${baseline}).${further.join('')}${reason} ` +
    `Control ${control.toFixed(3)}. ${date.slice(0, 10)}, commit ${commit}, ${machine}.`
  );
}

function figure(value: number, unit: string): string {
  return `${formatFigure(value)} ${unit}`.trim();
}

/** The baseline of some rows is another kind of quantity, and names its unit itself. */
function unitOfBaseline({ unit, baseline }: RecordedRun): string {
  return /\b(requests at the same|MiB)\b/.test(baseline) ? '' : unit;
}

function goalOf({ goal, better, judged }: RecordedRun): string {
  if (goal === null) return 'none';
  return `${judged} ${better === 'higher' ? 'at least' : 'at most'} ${formatFigure(goal)}`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)];
}

/** One item of a list, broken into lines of at most {@link MAX_COLUMNS} columns. */
function item(text: string): string[] {
  const lines: string[] = [];
  let line = '-';
  for (const word of text.split(/\s+/)) {
    if (line.length + 1 + word.length > MAX_COLUMNS) {
      lines.push(line);
      line = ' ';
    }
    line += ` ${word}`;
  }
  return [...lines, line];
}
