import { randomInt } from 'node:crypto';
import { Option, type Command } from 'commander';
import { ProgressLog } from '../scripts/cluster/progress-log.ts';
import { RunDir } from '../scripts/cluster/run-dir.ts';
import { UsageError } from '../runtime/terminal/errors.ts';
import { printJson, printLines, type Terminal } from '../runtime/terminal/terminal.ts';
import { formatTable } from '../runtime/terminal/table.ts';
import { DRILLS } from './catalogue.ts';
import type { Drill, DrillReport } from './drill.ts';
import { recordReport, writeFigures } from './figures.ts';
import { playAll } from './play-all.ts';
import { describeReport } from './report.ts';

interface Given {
  readonly list?: true;
  readonly all?: true;
  readonly figures?: true;
  readonly record?: true;
  readonly rounds?: number;
  readonly seed?: number;
  readonly rate: number;
  readonly seconds: number;
  readonly faults: number;
  readonly json?: true;
}

export function addDrillCommand(program: Command, terminal: Terminal): void {
  program
    .command('drill')
    .summary('break something on purpose, under load, and check that nothing was lost')
    .description(
      'Injects one kind of fault into a cluster under a constant load of shortens and redirects, heals it, waits until all is quiet, ' +
        'and checks every acknowledged link and what the stores accepted. Without a running cluster it starts one of its own in ' +
        '.run-drill/ and takes it down again, and so for faults of the network when the running one was not started with --faultable. ' +
        'Exit code 0: passed.',
    )
    .argument('[names...]', 'which drills; keymill drill --list shows them')
    .option('--list', 'show the drills there are')
    .option('--all', 'all of them, one after another')
    .option(
      '--record',
      'put each report into docs/drills.json and docs/reliability.md as soon as it is there, in place of the drill’s last',
    )
    .option('--figures', 'put the reports in docs/drills.json into docs/reliability.md as a table')
    .addOption(
      whole('--rounds', 'how often each part of a drill is repeated; every drill has its own number', 1),
    )
    .addOption(whole('--seed', 'chooses victims and times; a report names the one it used', 0))
    .addOption(whole('--rate', 'shortens a second; redirects are five times as many', 1).default(100))
    .addOption(whole('--seconds', 'how long chaos goes on', 1).default(180))
    .addOption(whole('--faults', 'how many faults chaos injects', 1).default(20))
    .option('--json', 'one JSON document on stdout: the report, or a list of them if there are several')
    .action(async (names: string[], given: Given) => {
      if (given.list) return listDrills(terminal, given.json === true);
      if (given.figures) return writeFigures();
      const drills = chosen(names, given.all === true);
      const reports = await play(drills, given, terminal);
      if (given.json) printJson(terminal, given.all || reports.length > 1 ? reports : reports[0]);
      else printLines(terminal, reports.flatMap(describeReport));
      if (reports.some(({ passed }) => !passed)) terminal.exitCode = 1;
    });
}

function chosen(names: readonly string[], all: boolean): readonly Drill[] {
  if (all) return DRILLS;
  const known = DRILLS.map(({ name }) => name);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw new UsageError(`there is no drill "${unknown}"; there are: ${known.join(' ')}`);
  if (names.length === 0) throw new UsageError(`which drill? ${known.join(' ')}`);
  return DRILLS.filter(({ name }) => names.includes(name));
}

async function play(drills: readonly Drill[], given: Given, terminal: Terminal): Promise<DrillReport[]> {
  const stopping = new AbortController();
  const stop = (): void => stopping.abort(new UsageError('interrupted; what was broken is healed'));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, stop);
  const { rounds, seed = randomInt(2 ** 31), rate, seconds, faults } = given;
  const runDir = new RunDir(terminal.env['KEYMILL_RUN_DIR'] ?? '');
  const options = { rounds, seed, rate, seconds, faults };
  const onReport = (report: DrillReport): void => {
    if (given.record) recordReport(report);
  };
  return playAll(drills, options, runDir, new ProgressLog(), stopping.signal, onReport);
}

function listDrills(terminal: Terminal, json: boolean): void {
  const list = DRILLS.map(({ name, does, needs }) => ({ name, does, needs }));
  if (json) printJson(terminal, list);
  else
    printLines(
      terminal,
      formatTable(
        [{ title: 'NAME' }, { title: 'NEEDS' }, { title: 'DOES' }],
        list.map(({ name, does, needs }) => [name, needs.join(', ') || '-', does]),
      ),
    );
}

function whole(name: string, description: string, min: number): Option {
  return new Option(`${name} <n>`, description).argParser((value) => {
    const number = Number(value);
    if (!/^\d{1,10}$/.test(value) || number < min)
      throw new UsageError(`${name} ${value}: expected a whole number from ${min}`);
    return number;
  });
}
