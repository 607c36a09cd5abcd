import type { Command } from 'commander';
import { RefusedError, UsageError } from '../runtime/terminal/errors.ts';
import { startProgressBar } from '../runtime/terminal/progress-bar.ts';
import { formatTable } from '../runtime/terminal/table.ts';
import { note, printJson, printLines, type Terminal } from '../runtime/terminal/terminal.ts';
import { formatFigure } from '../runtime/terminal/units.ts';
import { wholeNumber } from '../runtime/terminal/whole-number.ts';
import { addRun, readRecord, writeRecord } from '../scripts/figures/bench-record.ts';
import { AGAINST_HELP, chooseCompared, compareWith } from './against/command.ts';
import { formatCompared } from './against/report.ts';
import type { BenchRun } from './method/bench-run.ts';
import { LEAST_ROUNDS } from './method/control.ts';
import type { BenchRow, FurtherComparison } from './method/row.ts';
import { describeCommit, describeMachine } from './record/machine.ts';
import { rewritePage } from './record/page.ts';
import type { Bench } from './rows/bench.ts';
import { BENCHES } from './rows/catalogue.ts';
import { runBenches } from './rows/run-benches.ts';

interface Options {
  readonly list?: true;
  readonly long?: true;
  readonly quick?: true;
  readonly rounds?: number;
  readonly seconds?: number;
  readonly pin?: true;
  readonly into?: string;
  readonly against?: string;
  readonly json?: true;
}

export function addBenchCommand(program: Command, terminal: Terminal): void {
  program
    .command('bench')
    .description(
      'Measures on private servers, which it starts and removes. It needs no cluster and touches none. Each figure stands beside ' +
        'what the bare store or machine reaches in the same run. Exit code 1: a goal was missed, or a bench failed.',
    )
    .argument('[names...]', 'the benches to run; default: all that are not long')
    .option('--list', 'list the benches and run nothing')
    .option('--long', 'run the long ones too')
    .option('--quick', 'two rounds of one second, to see whether a bench works; never passes')
    .addOption(wholeNumber('--rounds', 'rounds of each comparison (default: 20)', LEAST_ROUNDS.throughput))
    .addOption(wholeNumber('--seconds', 'length of each window of a round (default: 3)', 1))
    .option('--pin', 'server on CPU 0 and load on CPU 1, in rows that use no store')
    .option(
      '--into <file>',
      'add each row to this record as soon as it is measured, with date, commit and machine',
    )
    .option('--against <commit>', 'compare this work tree with another commit, see below')
    .option('--json', 'one JSON document on stdout')
    .addHelpText('after', AGAINST_HELP)
    .action(async (names: string[], options: Options) => {
      if (options.list) return list(terminal, options.json === true);
      if (options.against !== undefined) return compare(terminal, names, options.against, options);
      if (options.quick && options.into !== undefined)
        throw new UsageError('--quick gives no figures that are worth recording; leave out --into');
      const benches = choose(names, options.long === true);
      const rows = await runAll(terminal, benches, options);
      if (options.json) printJson(terminal, rows);
      else printLines(terminal, table(rows));
      if (options.quick !== true && rows.some(({ passed }) => !passed)) terminal.exitCode = 1;
      if (rows.length < benches.length) terminal.exitCode = 1;
    });
}

function list(terminal: Terminal, json: boolean): void {
  if (json)
    printJson(
      terminal,
      BENCHES.map(({ name, long }) => ({ name, long })),
    );
  else {
    const rows = BENCHES.map(({ name, long, does }) => [name, long ? 'long' : '', does]);
    printLines(terminal, formatTable([{ title: 'bench' }, { title: '' }, { title: 'measures' }], rows));
  }
}

function choose(names: readonly string[], long: boolean): readonly Bench[] {
  if (names.length === 0) return BENCHES.filter((bench) => long || !bench.long);
  const unknown = names.filter((name) => !BENCHES.some((bench) => bench.name === name));
  if (unknown.length > 0) {
    const known = BENCHES.map(({ name }) => name).join(', ');
    throw new UsageError(`no bench ${unknown.join(', ')}; there are: ${known}`);
  }
  return BENCHES.filter(({ name }) => names.includes(name));
}

async function compare(
  terminal: Terminal,
  names: readonly string[],
  commit: string,
  options: Options,
): Promise<void> {
  if (options.into !== undefined || options.long)
    throw new UsageError('--against takes neither --into nor --long: its rows are not recorded');
  const rows = chooseCompared(names);
  const compared = await withBenchRun(terminal, options, async (run) => compareWith(commit, rows, run));
  if (options.json) printJson(terminal, compared);
  else printLines(terminal, formatCompared(compared));
  if (options.quick !== true && compared.some(({ passed }) => !passed)) terminal.exitCode = 1;
  if (compared.length < rows.length) terminal.exitCode = 1;
}

async function runAll(terminal: Terminal, benches: readonly Bench[], options: Options): Promise<BenchRow[]> {
  const record = recorder(options);
  return withBenchRun(terminal, options, async (run) =>
    runBenches(benches, {
      ...run,
      onRow: (row) => {
        note(terminal, `${row.name}: ${formatFigure(row.value)} ${row.unit}, ratio ${row.ratio}`);
        record(row);
      },
      onFailed: (name, error) => note(terminal, `${name} failed: ${error.message}`),
    }),
  );
}

/** Calls `work` with a run that reports on the terminal and is aborted by SIGINT and SIGTERM. */
async function withBenchRun<Result>(
  terminal: Terminal,
  options: Options,
  work: (run: BenchRun & { readonly pin: boolean }) => Promise<Result>,
): Promise<Result> {
  const interrupt = new AbortController();
  const onInterrupt = (): void => interrupt.abort(new RefusedError('interrupted; its servers are gone'));
  process.on('SIGINT', onInterrupt).on('SIGTERM', onInterrupt);
  try {
    return await work({
      say: (text) => note(terminal, text),
      progress: (what, total, unit) => startProgressBar(terminal, { what, total, unit }),
      quick: options.quick === true,
      rounds: options.rounds,
      seconds: options.seconds,
      pin: options.pin === true,
      signal: interrupt.signal,
    });
  } finally {
    process.off('SIGINT', onInterrupt).off('SIGTERM', onInterrupt);
  }
}

/** Records each row immediately, so that an interrupted run keeps its rows. */
function recorder({ into, rounds, seconds, pin }: Options): (row: BenchRow) => void {
  if (into === undefined) return () => undefined;
  readRecord(into);
  const chosen = [rounds && ` --rounds ${rounds}`, seconds && ` --seconds ${seconds}`, pin && ' --pin']
    .filter((option) => option !== undefined)
    .join('');
  const [commit, machine] = [describeCommit(), describeMachine()];
  return (row) => {
    const command = `./scripts/keymill bench ${row.name}${chosen}`;
    const run = { date: new Date().toISOString(), commit, command, machine, ...row };
    const updated = addRun(readRecord(into), { ...run, interval: [...row.interval] });
    writeRecord(into, updated);
    rewritePage(into, updated);
  };
}

function table(rows: readonly BenchRow[]): string[] {
  return formatTable(
    [
      { title: 'bench' },
      { title: 'value', align: 'right' },
      { title: 'unit' },
      { title: 'ratio', align: 'right' },
      { title: '95 % interval', align: 'right' },
      { title: 'of' },
      { title: 'goal', align: 'right' },
      { title: '' },
      { title: 'control', align: 'right' },
      { title: 'baseline', align: 'right' },
      { title: 'what the baseline is' },
    ],
    rows.flatMap((row) => [
      cellsOf(row, row, verdictOf(row)),
      ...(row.further ?? []).map((further) =>
        cellsOf({ ...row, name: `  ${further.label}` }, further, verdictOfFurther(further)),
      ),
    ]),
  );
}

function cellsOf(
  row: BenchRow,
  { value, ratio, interval, goal, baseline, baselineValue }: BenchRow | FurtherComparison,
  verdict: string,
): (string | undefined)[] {
  return [
    row.name,
    formatFigure(value),
    row.unit,
    ratio.toFixed(2),
    `${formatFigure(interval[0])} – ${formatFigure(interval[1])}`,
    row.judged,
    goal === null ? undefined : formatFigure(goal),
    row.quick === true ? 'quick: no verdict' : verdict,
    row.control.toFixed(2),
    formatFigure(baselineValue),
    baseline,
  ];
}

function verdictOfFurther({ goal, isReached }: FurtherComparison): string {
  if (goal === null) return '';
  return isReached ? 'reached' : 'MISSED';
}

function verdictOf({ goal, passed, details }: BenchRow): string {
  if (passed) return goal === null ? '' : 'reached';
  const { reason } = details;
  return typeof reason === 'string' ? `FAILED: ${reason}` : 'MISSED';
}
