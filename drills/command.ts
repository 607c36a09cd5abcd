import { randomInt } from 'node:crypto';
import { Help, Option, type Command } from 'commander';
import { UsageError } from '../runtime/terminal/errors.ts';
import { formatTable } from '../runtime/terminal/table.ts';
import { printJson, printLines, type Terminal } from '../runtime/terminal/terminal.ts';
import { wholeNumber } from '../runtime/terminal/whole-number.ts';
import { ProgressLog } from '../scripts/cluster/progress-log.ts';
import { RunDir } from '../scripts/cluster/run-dir.ts';
import { DRILLS } from './catalogue.ts';
import { recordReport, writeFigures } from './figures.ts';
import { describeReport, type DrillReport } from './report.ts';
import { runDrills } from './run-drills.ts';
import { USUAL_RATE, type Drill } from './run/drill.ts';

interface CommandOptions {
  readonly list?: true;
  readonly all?: true;
  readonly figures?: true;
  readonly record?: true;
  readonly rounds?: number;
  readonly seed?: number;
  readonly rate?: number;
  readonly seconds: number;
  readonly faults: number;
  readonly brief?: true;
  readonly json?: true;
}

/** Width of the descriptions in `--list`: with the names before them, a line has 100 columns. */
const DESCRIPTION_COLUMNS = 72;

export function addDrillCommand(program: Command, terminal: Terminal): void {
  program
    .command('drill')
    .summary('break something on purpose, under load, and check that nothing was lost')
    .description(
      'A drill injects one kind of fault into a cluster under a constant load of shortens and redirects. ' +
        'It heals the fault, waits until the cluster is quiet, and checks every acknowledged link and ' +
        'everything that the stores accepted.\n\n' +
        'Drills use the running cluster. If there is none, or if a drill needs faults of the network and the ' +
        'cluster was not started with --faultable, keymill starts a private cluster in .run-drill/ and takes ' +
        'it down afterwards. Exit code 0: every drill passed.',
    )
    .argument('[names...]', 'the drills to run; --list describes them')
    .option('--list', 'describe every drill')
    .option('--all', 'run every drill, one after another')
    .option(
      '--record',
      'after each drill, replace its last report in docs/figures/drills.json and write docs/drills.md again',
    )
    .option('--figures', 'write docs/drills.md again from the catalogue and docs/figures/drills.json')
    .addOption(
      wholeNumber('--rounds', 'repeat each part of a drill n times (default: depends on the drill)', 1),
    )
    .addOption(wholeNumber('--seed', 'choose the same victims and times as the report with this seed', 0))
    .addOption(
      wholeNumber(
        '--rate',
        `shortens a second (default: ${USUAL_RATE}, for some drills less); redirects are five times as many`,
        1,
      ),
    )
    .addOption(wholeNumber('--seconds', 'how long chaos lasts', 1).default(180))
    .addOption(wholeNumber('--faults', 'how many faults chaos injects', 1).default(20))
    .addOption(
      new Option(
        '--brief',
        'rest a third as long in and between faults: a quick look, not to be recorded',
      ).conflicts('record'),
    )
    .option('--json', 'print one JSON document: the report, or a list of several reports')
    .action(async (names: string[], options: CommandOptions) => {
      if (options.list) return listDrills(terminal, options.json === true);
      if (options.figures) return writeFigures();
      const drills = chooseDrills(names, options.all === true);
      const reports = await runChosen(drills, options, terminal);
      if (options.json) printJson(terminal, options.all || reports.length > 1 ? reports : reports[0]);
      else printLines(terminal, reports.flatMap(describeReport));
      if (reports.some(({ passed }) => !passed)) terminal.exitCode = 1;
    });
}

function chooseDrills(names: readonly string[], all: boolean): readonly Drill[] {
  if (all) return DRILLS;
  const known = DRILLS.map(({ name }) => name);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw new UsageError(`there is no drill "${unknown}"; the drills are: ${known.join(' ')}`);
  if (names.length === 0) throw new UsageError(`name at least one drill: ${known.join(' ')}`);
  return DRILLS.filter(({ name }) => names.includes(name));
}

async function runChosen(
  drills: readonly Drill[],
  { rounds, seed = randomInt(2 ** 31), rate, seconds, faults, brief, record }: CommandOptions,
  terminal: Terminal,
): Promise<DrillReport[]> {
  const stopping = new AbortController();
  const stop = (): void => stopping.abort(new UsageError('interrupted; all faults are healed'));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop);
  const runDir = new RunDir(terminal.env['KEYMILL_RUN_DIR'] ?? '');
  const options = {
    rounds,
    seed,
    rate,
    seconds,
    faults,
    isBrief: brief === true,
    progress: new ProgressLog(),
    signal: stopping.signal,
  };
  return runDrills(drills, runDir, options, (report) => {
    if (record) recordReport(report);
  });
}

function listDrills(terminal: Terminal, json: boolean): void {
  const list = DRILLS.map(({ name, does, needs }) => ({ name, does, needs }));
  if (json) return printJson(terminal, list);
  const help = new Help();
  const rows = list.flatMap(({ name, does, needs }) => {
    const [first = '', ...more] = help.boxWrap(does, DESCRIPTION_COLUMNS).split('\n');
    return [[name, needs.join(', ') || '-', first], ...more.map((line) => ['', '', line])];
  });
  const columns = [{ title: 'NAME' }, { title: 'NEEDS' }, { title: 'WHAT HAPPENS' }];
  printLines(terminal, formatTable(columns, rows));
}
