import { formatTable } from '../../runtime/terminal/table.ts';
import { formatFigure } from '../../runtime/terminal/units.ts';
import type { Compared, ComparedRun } from './compare.ts';
import type { Comparison } from './verdict.ts';

/** One line for each run of each row. */
export function formatCompared(rows: readonly Compared[]): string[] {
  const [first] = rows;
  if (first === undefined) return [];
  return [
    ...formatTable(
      [
        { title: 'row' },
        { title: 'run', align: 'right' },
        { title: 'B/A', align: 'right' },
        { title: '95 % interval', align: 'right' },
        { title: 'control', align: 'right' },
        { title: 'CPU', align: 'right' },
        { title: '95 % interval', align: 'right' },
        { title: 'control', align: 'right' },
        { title: 'verdict' },
      ],
      rows.flatMap((row) =>
        row.runs.map((run, i) => [
          i === 0 ? row.name : '',
          String(i + 1),
          ...cellsOf(run.figure),
          ...(run.cpu === undefined ? ['', '', ''] : cellsOf(run.cpu)),
          run.verdict ?? 'quick: none',
        ]),
      ),
    ),
    '',
    `A is ${first.a}, B is this work tree (${first.b}). Above 1, B is better: faster, or cheaper in CPU.`,
    'If the CPU per request (or key) was measured, it decides.',
  ];
}

/** One run in one line, with its figures. */
export function describeRun({ name, unit }: Pick<Compared, 'name' | 'unit'>, run: ComparedRun): string {
  const figures = `A ${formatFigure(run.a)}, B ${formatFigure(run.b)} ${unit}`;
  const cpu = run.cpu === undefined ? '' : `, CPU ${run.cpu.ratio.toFixed(3)}`;
  const control = (run.cpu ?? run.figure).control.toFixed(3);
  const verdict = run.verdict ?? 'quick, no verdict';
  return `${name}: ${figures}, B/A ${run.figure.ratio.toFixed(3)}${cpu}, control ${control}: ${verdict}`;
}

function cellsOf({ ratio, interval: [low, high], control }: Comparison): string[] {
  return [ratio.toFixed(3), `${low.toFixed(3)} – ${high.toFixed(3)}`, control.toFixed(3)];
}
