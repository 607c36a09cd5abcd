import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createConnection } from 'node:net';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import type { Command } from 'commander';
import { parseConnectString } from '../../coordinator/connect-string.ts';
import { UnreachableError, UsageError } from '../../runtime/terminal/errors.ts';
import { note, ONE_JSON_DOCUMENT, printJson, type Terminal } from '../../runtime/terminal/terminal.ts';
import { ASK_DEADLINE_MS } from './sources/ask.ts';
import { findEnsemble } from './sources/find-cluster.ts';
import { isNoise, ZkOutputFilter } from './zk-output.ts';
import { zkCliLine } from './zk-input.ts';

/** zkCli's own timeout is 30 s; with it, zkCli would leave a hanging server only after 20 s. */
const SESSION_MS = 5_000;

/** Debian's path. Without Debian's package, zkCli.sh is searched on the PATH. */
const ZKCLI = '/usr/share/zookeeper/bin/zkCli.sh';

export function addZkCommand(program: Command, terminal: Terminal): void {
  program
    .command('zk')
    .description(
      "Runs ZooKeeper's zkCli.sh against the cluster's ensemble. With arguments it runs one command and shows only its " +
        "answer. Without arguments it reads commands from stdin until `quit` or the end. The exit code is zkCli's.",
    )
    .argument('[args...]', 'a zkCli command, such as: ls /shard-locks')
    .option('--json', `${ONE_JSON_DOCUMENT}: {"args","exitCode","lines"}`)
    .passThroughOptions()
    .allowUnknownOption()
    .addHelpText(
      'after',
      '\nExamples:\n  keymill zk ls /shard-locks\n  keymill zk get /shard-locks/keys-db-1\n  keymill zk ls -R /\n  keymill zk',
    )
    .action(async (given: string[], options: { json?: true }) => {
      // zkCli has no option --json, so at the end of the line it is ours.
      const args = given.at(-1) === '--json' ? given.slice(0, -1) : given;
      const isJson = options.json === true || args.length < given.length;
      if (isJson && args.length === 0)
        throw new UsageError('zk --json needs a command, such as: ls /shard-locks');
      await runZkCli(terminal, args, isJson);
    });
}

async function runZkCli(terminal: Terminal, args: readonly string[], isJson: boolean): Promise<void> {
  const { connect, auth } = findEnsemble(terminal.env);
  await requireAnyServer(connect);
  const isConversation = args.length === 0;
  if (isConversation && process.stdin.isTTY) {
    note(terminal, `connecting to ${connect}; type zkCli commands: ls /shard-locks, get PATH, help, quit`);
  }
  // Ctrl-C on the keyboard reaches zkCli too, which decides what to do.
  const ignore = (): void => undefined;
  process.on('SIGINT', ignore);
  try {
    const onLine = (line: string): void => {
      if (!isJson) terminal.stdout.write(`${line}\n`);
    };
    const { exitCode, lines, hasNoQuorum } = await runFiltered({ connect, auth, args, onLine }, terminal);
    if (isJson) printJson(terminal, { args, exitCode, lines });
    if (hasNoQuorum)
      note(terminal, `ZooKeeper at ${connect} has no quorum. Is a majority of its servers running?`);
    terminal.exitCode = hasNoQuorum ? 2 : exitCode;
  } finally {
    process.off('SIGINT', ignore);
  }
}

interface ZkCliRun {
  readonly connect: string;
  readonly auth: string | undefined;
  readonly args: readonly string[];
  readonly onLine: (line: string) => void;
}

async function runFiltered(
  { connect, auth, args, onLine }: ZkCliRun,
  terminal: Terminal,
): Promise<{ exitCode: number; lines: string[]; hasNoQuorum: boolean }> {
  const isConversation = args.length === 0;
  // Every user of this machine sees the arguments of a process. So the credentials go through stdin, and then
  // the command too, because zkCli reads only one of both.
  const input = auth === undefined ? undefined : [`addauth digest ${auth}`, zkCliLine(args)];
  const stdin = input === undefined ? (isConversation ? 'inherit' : 'ignore') : 'pipe';
  const child = spawn(
    existsSync(ZKCLI) ? ZKCLI : 'zkCli.sh',
    ['-timeout', String(SESSION_MS), '-server', connect, ...(input === undefined ? args : [])],
    {
      stdio: [stdin, 'pipe', 'pipe'],
      env: { ...process.env, CLIENT_JVMFLAGS: quickStart(process.env['CLIENT_JVMFLAGS']) },
    },
  ) as ChildProcessByStdio<Writable | null, Readable, Readable>;
  if (input !== undefined) feed(child.stdin, input, isConversation);
  const filter = new ZkOutputFilter();
  const lines: string[] = [];
  let hasNoQuorum = false;
  const show = (ready: readonly string[]): void => {
    for (const line of ready) {
      // A zkCli with line editing repeats what it reads.
      if (auth !== undefined && line.includes(auth)) continue;
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
          ? new UsageError(
              `zkCli.sh is not installed (${ZKCLI}). To install it: sudo apt-get install zookeeper`,
            )
          : error,
      ),
    );
    child.once('close', (code) => resolve(code ?? 1));
  });
  show(filter.end());
  return { exitCode, lines, hasNoQuorum };
}

/**
 * Writes lines to zkCli's stdin, and in a conversation also what the user types. zkCli may end before it has
 * read them: that is reported by its exit code.
 */
function feed(stdin: Writable | null, lines: readonly string[], isConversation: boolean): void {
  stdin?.on('error', () => undefined);
  stdin?.write(lines.map((line) => (line === '' ? '' : `${line}\n`)).join(''));
  if (stdin === null || !isConversation) {
    stdin?.end();
    return;
  }
  stdin.once('close', () => process.stdin.destroy());
  process.stdin.pipe(stdin);
}

/** zkCli runs for half a second, so Java should not spend time on optimising it. */
function quickStart(flags: string | undefined): string {
  return [flags, '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Xshare:auto'].filter(Boolean).join(' ');
}

/**
 * Checks the ensemble first, because zkCli waits half a minute for a missing one.
 * @throws UnreachableError when no server of the ensemble accepts a connection
 */
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
