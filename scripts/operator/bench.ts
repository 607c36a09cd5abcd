import type { Command } from 'commander';
import { BENCHES } from '../bench/catalogue.ts';
import { startPrivateCluster, type PrivateCluster } from '../bench/private-cluster.ts';
import type { Bench, BenchContext, BenchRow } from '../bench/row.ts';
import { RefusedError, UsageError } from './errors.ts';
import { startProgress } from './terminal/progress.ts';
import { formatTable } from './terminal/table.ts';
import { note, printJson, printLines, type Terminal } from './terminal/terminal.ts';
import { formatFigure } from './terminal/units.ts';

export function addBenchCommand(program: Command, terminal: Terminal): void {
  program
    .command('bench')
    .description(
      'Measures on private servers, started for it and removed after it; no cluster is needed, and none is touched. Each figure ' +
        'stands beside what the bare store or machine reaches in the same run. Exit code 1: a goal was missed.',
    )
    .argument('[names...]', 'which; without a name, every one that is not long')
    .option('--list', 'show what there is, and run nothing')
    .option('--long', 'the long ones too')
    .option('--json', 'one JSON document on stdout')
    .action(async (names: string[], options: { list?: true; long?: true; json?: true }) => {
      if (options.list) return list(terminal, options.json === true);
      const rows = await runAll(terminal, choose(names, options.long === true));
      if (options.json) printJson(terminal, rows);
      else printLines(terminal, table(rows));
      if (rows.some(({ passed }) => !passed)) terminal.exitCode = 1;
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

async function runAll(terminal: Terminal, benches: readonly Bench[]): Promise<BenchRow[]> {
  const interrupt = new AbortController();
  const onInterrupt = (): void => interrupt.abort(new RefusedError('interrupted; its servers are gone'));
  process.on('SIGINT', onInterrupt).on('SIGTERM', onInterrupt);
  let cluster: Promise<PrivateCluster> | undefined;
  const context: BenchContext = {
    say: (text) => note(terminal, text),
    progress: (what, total, unit) => startProgress(terminal, what, total, unit),
    privateCluster: async () => {
      if (cluster === undefined) note(terminal, 'starting a private cluster');
      cluster ??= startPrivateCluster(interrupt.signal);
      return cluster;
    },
    signal: interrupt.signal,
  };
  try {
    const rows: BenchRow[] = [];
    for (const bench of benches) {
      const row = await bench.run(context);
      note(terminal, `${row.name}: ${formatFigure(row.value)} ${row.unit}`);
      rows.push(row);
    }
    return rows;
  } catch (error) {
    interrupt.signal.throwIfAborted();
    throw error;
  } finally {
    await (await cluster?.catch(() => undefined))?.[Symbol.asyncDispose]();
    process.off('SIGINT', onInterrupt).off('SIGTERM', onInterrupt);
  }
}

function table(rows: readonly BenchRow[]): string[] {
  return formatTable(
    [
      { title: 'bench' },
      { title: 'value', align: 'right' },
      { title: '95 % interval', align: 'right' },
      { title: 'unit' },
      { title: 'goal', align: 'right' },
      { title: '' },
      { title: 'baseline', align: 'right' },
      { title: 'ratio', align: 'right' },
      { title: 'control', align: 'right' },
      { title: 'what the baseline is' },
    ],
    rows.map((row) => [
      row.name,
      formatFigure(row.value),
      `${formatFigure(row.interval[0])} – ${formatFigure(row.interval[1])}`,
      row.unit,
      row.goal === null ? undefined : formatFigure(row.goal),
      row.goal === null ? '' : row.passed ? 'reached' : 'MISSED',
      formatFigure(row.baselineValue),
      row.ratio.toFixed(2),
      row.control.toFixed(2),
      row.baseline,
    ]),
  );
}
