import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createConnection } from 'node:net';
import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import { parseConnectString } from '../../coordinator/connect-string.ts';
import { UnreachableError, UsageError } from '../../runtime/terminal/errors.ts';
import { ASK_DEADLINE_MS } from './sources/ask.ts';
import { findConnectString } from './sources/find-cluster.ts';
import { note, printJson, type Terminal } from '../../runtime/terminal/terminal.ts';
import { isNoise, ZkOutputFilter } from './zk-output.ts';

/** With zkCli's own 30 s a server that hangs would be given up after 20 s. */
const SESSION_MS = 5_000;

/** Debian's package first, then wherever the PATH has the upstream one. */
const ZKCLI = '/usr/share/zookeeper/bin/zkCli.sh';

export function addZkCommand(program: Command, terminal: Terminal): void {
  program
    .command('zk')
    .description(
      "Runs the installed zkCli.sh against the cluster's ensemble. With arguments it runs that one command and shows its " +
        "answer alone; without, it reads commands from stdin until `quit` or the end. The exit code is zkCli's.",
    )
    .argument('[args...]', 'a zkCli command, such as: ls /shard-locks')
    .option('--json', 'one JSON document on stdout: {"args","exitCode","lines"}')
    .passThroughOptions()
    .allowUnknownOption()
    .addHelpText(
      'after',
      '\nExamples:\n  keymill zk ls /shard-locks\n  keymill zk get /shard-locks/keys-db-1\n  keymill zk ls -R /\n  keymill zk',
    )
    .action(async (given: string[], options: { json?: true }) => {
      // zkCli has no such option: at the end it was meant for us.
      const args = given.at(-1) === '--json' ? given.slice(0, -1) : given;
      const isJson = options.json === true || args.length < given.length;
      if (isJson && args.length === 0)
        throw new UsageError('zk --json needs a command, such as: ls /shard-locks');
      await runZkCli(terminal, args, isJson);
    });
}

async function runZkCli(terminal: Terminal, args: readonly string[], isJson: boolean): Promise<void> {
  const connect = findConnectString(terminal.env);
  await requireAnyServer(connect);
  const isConversation = args.length === 0;
  if (isConversation && process.stdin.isTTY) {
    note(terminal, `connected to ${connect}; type zkCli commands: ls /shard-locks · get PATH · help · quit`);
  }
  // A person at the keyboard sends Ctrl-C to both of us: zkCli decides.
  const ignore = (): void => undefined;
  process.on('SIGINT', ignore);
  try {
    const onLine = (line: string): void => {
      if (!isJson) terminal.stdout.write(`${line}\n`);
    };
    const { exitCode, lines, hasNoQuorum } = await runFiltered({ connect, args, onLine }, terminal);
    if (isJson) printJson(terminal, { args, exitCode, lines });
    if (hasNoQuorum)
      note(terminal, `ZooKeeper at ${connect} does not serve: is a majority of its servers up?`);
    terminal.exitCode = hasNoQuorum ? 2 : exitCode;
  } finally {
    process.off('SIGINT', ignore);
  }
}

interface ZkCliRun {
  readonly connect: string;
  readonly args: readonly string[];
  readonly onLine: (line: string) => void;
}

async function runFiltered(
  { connect, args, onLine }: ZkCliRun,
  terminal: Terminal,
): Promise<{ exitCode: number; lines: string[]; hasNoQuorum: boolean }> {
  const child = spawn(
    existsSync(ZKCLI) ? ZKCLI : 'zkCli.sh',
    ['-timeout', String(SESSION_MS), '-server', connect, ...args],
    {
      stdio: [args.length === 0 ? 'inherit' : 'ignore', 'pipe', 'pipe'],
      env: { ...process.env, CLIENT_JVMFLAGS: quickStart(process.env['CLIENT_JVMFLAGS']) },
    },
  );
  const filter = new ZkOutputFilter();
  const lines: string[] = [];
  let hasNoQuorum = false;
  const show = (ready: readonly string[]): void => {
    for (const line of ready) {
      if (args.length > 0) lines.push(line);
      onLine(line);
    }
  };
  createInterface({ input: child.stdout }).on('line', (line) => show(filter.push(line)));
  createInterface({ input: child.stderr }).on('line', (line) => {
    if (line.includes('ConnectionLoss')) hasNoQuorum = true;
    if (!isNoise(line)) note(terminal, line);
  });
  const exitCode = await new Promise<number>((resolve, reject) => {
    child.once('error', (error) =>
      reject(
        'code' in error && error.code === 'ENOENT'
          ? new UsageError(`zkCli.sh is not installed (${ZKCLI}). Install it: sudo apt-get install zookeeper`)
          : error,
      ),
    );
    child.once('close', (code) => resolve(code ?? 1));
  });
  show(filter.end());
  return { exitCode, lines, hasNoQuorum };
}

/** A command line runs for half a second: compiling it well would take longer than running it. */
function quickStart(flags: string | undefined): string {
  return [flags, '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Xshare:auto'].filter(Boolean).join(' ');
}

/** zkCli itself would wait for half a minute. @throws UnreachableError when no server of the ensemble accepts a connection */
async function requireAnyServer(connect: string): Promise<void> {
  const { servers } = parseConnectString(connect);
  const attempts = servers.map(
    ({ host, port }) =>
      new Promise<void>((resolve, reject) => {
        const socket = createConnection({ host, port, timeout: ASK_DEADLINE_MS });
        socket.once('connect', resolve);
        socket.once('error', reject);
        socket.once('timeout', () => reject(new Error('timeout')));
        socket.once('close', () => reject(new Error('closed')));
        socket.once('connect', () => socket.destroy());
        socket.once('timeout', () => socket.destroy());
      }),
  );
  try {
    await Promise.any(attempts);
  } catch (error) {
    throw new UnreachableError(`no ZooKeeper server answers at ${connect}`, error);
  }
}
