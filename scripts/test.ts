import { globSync } from 'node:fs';
import { tolerateClosedOutput } from '../runtime/terminal/process-terminal.ts';
import { phasesOf, type Lanes } from './checks/lanes.ts';
import { add, failuresOfMocha, formatTally, NOTHING, tallyOfMocha, type Tally } from './checks/tally.ts';
import { runTool } from './checks/tool.ts';
import { ProgressLog } from './cluster/progress-log.ts';
import { REPOSITORY } from './cluster/run-dir.ts';
import { abortedByStopSignals } from './containers/stop-signals.ts';
import { CONTAINER_TESTS, runContainerSuite } from './containers/suite.ts';

const USAGE = `Usage: ./scripts/test [--long] [pattern…]
       ./scripts/test containers [--clean] [--where-possible]

Without a pattern it runs every test and the checks (format, lint, unused, types).
A pattern is the name of a check, or a part of a test file's path, such as
"lint", "producer", "e2e" or "db/pool". "integration" stands for all tests that
need servers and no cluster.

  --long  runs tests in the sizes that take minutes or hours; give a pattern too

With SERVICES=containers in the environment, the servers for tests are containers
instead of processes.

"containers" runs the suite that needs a Docker engine. It installs and starts an
engine when there is none.
  --clean           afterwards, removes everything that it made on the engine
  --where-possible  counts as skipped instead of failed when no engine can be
                    started on this machine

The last line of the output is "N passed, N failed, N skipped".
`;

interface Check {
  readonly name: string;
  readonly script: string;
  readonly args: readonly string[];
  /** The command that repeats the check, or repairs its findings. */
  readonly remedy: string;
}

const CHECKS: readonly Check[] = [
  {
    name: 'format',
    script: 'prettier/bin/prettier.cjs',
    args: ['--check', '--log-level', 'warn', '.'],
    remedy: 'npx prettier --write .',
  },
  {
    name: 'lint',
    script: 'oxlint/bin/oxlint',
    args: ['--type-aware'],
    remedy: 'npx oxlint --type-aware --fix',
  },
  { name: 'unused', script: 'knip/bin/knip.js', args: [], remedy: 'npx knip' },
  { name: 'types', script: 'typescript/bin/tsc', args: ['--noEmit'], remedy: 'npx tsc --noEmit' },
];

/** Patterns that stand for several others. */
const GROUPS: Readonly<Record<string, readonly string[]>> = {
  integration: ['servers', 'db', 'coordinator', 'producer', 'mapper'].map((folder) => `test/${folder}/`),
};

/** `.ci/run` finds the failures by this line. */
const FAILURES_TITLE = 'failed tests:';

/** @param isBeside tests run at the same time, and go first: the check has the time in which they wait */
async function runCheck({ name, script, args, remedy }: Check, isBeside: boolean): Promise<Tally> {
  const { output, exitCode, seconds } = await runTool(script, args, { isPatient: isBeside });
  const isRight = exitCode === 0;
  const detail = isRight ? '' : `\n${output.trimEnd()}\n    to repeat or repair: ${remedy}`;
  const line = `${isRight ? '✔' : '✘'} ${name} (${seconds.toFixed(1)} s)${detail}`;
  process.stdout.write(`  ${line}\n`);
  if (isBeside && !isRight) failures.push(line);
  return isRight ? { ...NOTHING, passed: 1 } : { ...NOTHING, failed: 1 };
}

/** The first lane is shown as it runs, the others when they have ended: mixed lines would be unreadable. */
async function runBesideEachOther([first = [], ...others]: Lanes, env: NodeJS.ProcessEnv): Promise<Tally> {
  if (others.length === 0) return runMocha(first, env);
  const tallies = await Promise.all([
    runMocha(first, { ...env, KEYMILL_TEST_LANE: '0' }),
    ...others.map(async (files, index) =>
      runMochaUnseen(files, { ...env, KEYMILL_TEST_LANE: String(index + 1) }),
    ),
  ]);
  return tallies.reduce(add, NOTHING);
}

async function runMochaUnseen(files: readonly string[], env: NodeJS.ProcessEnv): Promise<Tally> {
  const { output, exitCode } = await runTool('mocha/bin/mocha.js', files, { env });
  process.stdout.write(output);
  return judgedByMocha(output, exitCode);
}

async function runMocha(
  files: readonly string[],
  env: NodeJS.ProcessEnv = {},
  signal?: AbortSignal,
): Promise<Tally> {
  if (files.length === 0) return NOTHING;
  const colour = process.stdout.isTTY ? ['--color'] : [];
  const { output, exitCode } = await runTool('mocha/bin/mocha.js', [...colour, ...files], {
    isShown: true,
    env,
    signal,
  });
  return judgedByMocha(output, exitCode);
}

/** What failed tests said. It is repeated at the end: the middle of a long output is often cut off. */
const failures: string[] = [];

function judgedByMocha(output: string, exitCode: number): Tally {
  const failed = failuresOfMocha(output);
  if (failed !== '') failures.push(failed);
  return tallyOfMocha(output, exitCode);
}

/** Writes the failures and, as the last line, the counts. Returns the exit code. */
function conclude(tally: Tally): number {
  if (failures.length > 0) process.stdout.write(`${FAILURES_TITLE}\n${failures.join('\n\n')}\n`);
  process.stdout.write(`${formatTally(tally)}\n`);
  return tally.failed === 0 ? 0 : 1;
}

async function testContainers(args: readonly string[]): Promise<number> {
  const unknown = args.filter((arg) => arg !== '--clean' && arg !== '--where-possible');
  if (unknown.length > 0) {
    process.stderr.write(
      `keymill: containers ${unknown.join(' ')}: only --clean and --where-possible may follow\n\n${USAGE}`,
    );
    return 2;
  }
  const signal = abortedByStopSignals();
  // Ctrl-C reaches mocha by itself, so only SIGTERM is passed on.
  const terminated = abortedByStopSignals(['SIGTERM']);
  const tally = await runContainerSuite({
    isClean: args.includes('--clean'),
    isWherePossible: args.includes('--where-possible'),
    progress: new ProgressLog(),
    runMocha: async (files, env) => runMocha(files, env, terminated),
    signal,
  });
  return conclude(tally);
}

async function main(args: readonly string[]): Promise<number> {
  const patterns = args.filter((arg) => arg !== '--long');
  const isLong = patterns.length < args.length;
  if (patterns.includes('--help') || patterns.includes('-h')) {
    process.stdout.write(USAGE);
    return 0;
  }
  if (patterns[0] === 'containers') return testContainers(patterns.slice(1));
  if (isLong && patterns.length === 0) {
    process.stderr.write(`keymill: --long needs a pattern, such as test/mapper/front\n\n${USAGE}`);
    return 2;
  }
  const env = isLong ? { KEYMILL_TEST_LONG: '1' } : {};
  const parts = patterns.flatMap((pattern) => GROUPS[pattern] ?? [pattern.replace(/^\.\//, '')]);
  const isWanted = (name: string): boolean => parts.length === 0 || parts.some((part) => name.includes(part));
  const checks = CHECKS.filter(({ name }) => patterns.length === 0 || patterns.includes(name));
  const files = globSync('test/**/*.test.ts', { cwd: REPOSITORY })
    .filter((file) => isWanted(file) && !file.startsWith(CONTAINER_TESTS))
    .toSorted((a, b) => (a < b ? -1 : 1));
  if (checks.length + files.length === 0) {
    process.stderr.write(`keymill: no test file's path contains ${patterns.join(' or ')}\n\n${USAGE}`);
    return 2;
  }
  const phases = phasesOf(files);
  const runChecks = async (): Promise<Tally> =>
    (await Promise.all(checks.map(async (check) => runCheck(check, phases.length > 0)))).reduce(add, NOTHING);
  let tally = phases.length === 0 ? await runChecks() : NOTHING;
  // Beside clusters: most tests use both cores, and nothing runs beside those that measure.
  const quietest = Math.min(1, phases.length - 1);
  for (const [index, lanes] of phases.entries()) {
    const [tested, checked] = await Promise.all([
      runBesideEachOther(lanes, env),
      index === quietest ? runChecks() : NOTHING,
    ]);
    tally = add(add(tally, tested), checked);
  }
  return conclude(tally);
}

tolerateClosedOutput();
// Ctrl-C also reaches mocha, which stops its servers. We wait until mocha has ended.
for (const signal of ['SIGINT', 'SIGHUP'] as const) process.on(signal, () => undefined);
process.exitCode = await main(process.argv.slice(2));
