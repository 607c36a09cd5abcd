import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseJsonAs } from '../../runtime/json-schema.ts';
import { ClusterError } from '../cluster/errors.ts';
import { identityOf, isRunning, ProcessIdentity, stopProcess } from '../servers/identity.ts';
import { lastLinesOf, startProcess } from '../servers/process.ts';
import { Docker, tryCommand } from './docker.ts';
import { whyNothingRuns } from './probe.ts';

export interface Engine {
  readonly docker: Docker;
  /** True when `openEngine` started it, false when it was already running. */
  readonly isPrivate: boolean;
  /** Stops the engine if it is private and nobody else uses it. */
  release(): Promise<void>;
}

/**
 * No engine answers, and none can be started on this machine. The message is one line; details were reported
 * before.
 */
export class NoEngineError extends ClusterError {}

const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 30_000;

/** The folder in which a private engine keeps everything. Its images stay there from run to run. */
export function engineDir(): string {
  return process.env['KEYMILL_ENGINE_DIR'] || '/var/lib/keymill/engine';
}

/**
 * Uses the engine that answers at `DOCKER_HOST` or at the usual socket; otherwise starts a private one, with
 * its own data folder and socket. All processes that open an engine at the same time share the private one,
 * and the last to release it stops it.
 * @throws NoEngineError when none answers and none can be started
 */
export async function openEngine(report: (what: string) => void): Promise<Engine> {
  const usual = new Docker(process.env['DOCKER_HOST'] || 'unix:///var/run/docker.sock');
  if (await usual.answers()) return { docker: usual, isPrivate: false, release: async () => undefined };
  const dir = engineDir();
  if (process.getuid?.() !== 0)
    throw new NoEngineError(
      'no Docker engine answers, and only root can start one: start it, or run this as root',
    );
  mkdirSync(join(dir, 'users'), { recursive: true, mode: 0o700 });
  const own = identityOf(process.pid);
  const ticket = join(dir, 'users', String(process.pid));
  writeFileSync(ticket, JSON.stringify(own));
  const docker = new Docker(`unix://${socketOf(dir)}`);
  const release = async (): Promise<void> => {
    rmSync(ticket, { force: true });
    if (!hasUsers(dir) && !(await hasContainers(docker))) await stopEngine(dir);
  };
  try {
    if (!(await docker.answers())) await startEngine(dir, docker, report);
  } catch (error) {
    await release();
    throw error;
  }
  return { docker, isPrivate: true, release };
}

function socketOf(dir: string): string {
  return join(dir, 'docker.sock');
}

/** A user is a process that holds a ticket. Deletes the tickets of processes that have ended. */
function hasUsers(dir: string): boolean {
  return readdirSync(join(dir, 'users')).some((name) => {
    const identity = identityOf(Number(name));
    if (identity !== undefined && readFileSync(join(dir, 'users', name), 'utf8') === JSON.stringify(identity))
      return true;
    rmSync(join(dir, 'users', name), { force: true });
    return false;
  });
}

/** A cluster that was left running uses the engine without a ticket. */
async function hasContainers(docker: Docker): Promise<boolean> {
  try {
    return (await docker.lines(['ps', '--quiet'])).length > 0;
  } catch {
    return false;
  }
}

/**
 * Options of dockerd to try in this order, until it runs. Without the kernel's packet filter, ports are not
 * reachable from outside, but containers, their networks and ports on the loopback address work.
 */
const OPTIONS: readonly (readonly string[])[] = [
  [],
  ['--iptables=false', '--ip6tables=false', '--ip-masq=false'],
  ['--iptables=false', '--ip6tables=false', '--ip-masq=false', '--storage-driver=vfs'],
];

async function startEngine(dir: string, docker: Docker, report: (what: string) => void): Promise<void> {
  if (!(await isInstalled('dockerd')))
    throw new NoEngineError('no Docker engine answers, and dockerd is not installed (Debian: docker.io)');
  let last = '';
  for (const options of OPTIONS) {
    report(`starting a Docker engine${options.length === 0 ? '' : ` with ${options.join(' ')}`} …`);
    const reason = await tryStart(dir, docker, options);
    if (reason === undefined) return;
    report(reason);
    last = reason;
  }
  throw new NoEngineError(`no Docker engine can be started here: ${last}`);
}

/** @returns one line: why it cannot run a container; undefined when it can */
async function tryStart(
  dir: string,
  docker: Docker,
  options: readonly string[],
): Promise<string | undefined> {
  const logFile = join(dir, 'dockerd.log');
  const started = await startProcess({
    id: 'dockerd',
    command: 'dockerd',
    args: [
      `--host=${docker.host}`,
      `--data-root=${join(dir, 'data')}`,
      `--exec-root=${join(dir, 'exec')}`,
      `--pidfile=${join(dir, 'dockerd.pid')}`,
      // Compose creates its own networks, and the engine's default bridge would stay after the engine.
      '--bridge=none',
      ...options,
    ],
    logFile,
    cwd: dir,
    dieWithParent: false,
  });
  writeFileSync(join(dir, 'engine.json'), JSON.stringify(started.identity));
  const deadline = performance.now() + START_TIMEOUT_MS;
  while (performance.now() < deadline && !started.hasExited()) {
    if (await docker.answers()) {
      const reason = await whyNothingRuns(docker, dir);
      if (reason !== undefined) await stopEngine(dir);
      return reason;
    }
    await delay(200);
  }
  await stopEngine(dir);
  return lastLinesOf(logFile, 1)[0] ?? `it does not answer after ${START_TIMEOUT_MS / 1_000} s`;
}

async function isInstalled(program: string): Promise<boolean> {
  return (await tryCommand('sh', ['-c', 'command -v "$0"', program])).exitCode === 0;
}

async function stopEngine(dir: string): Promise<void> {
  const record = join(dir, 'engine.json');
  if (!existsSync(record)) return;
  const identity = parseJsonAs(ProcessIdentity, readFileSync(record, 'utf8'));
  if (isRunning(identity)) await stopProcess(identity, STOP_TIMEOUT_MS);
  await unmountBelow(dir);
  rmSync(record, { force: true });
}

/**
 * The engine leaves mounted network namespaces in its folder, and while they are mounted, the folder cannot
 * be deleted.
 */
async function unmountBelow(dir: string): Promise<void> {
  const below = `${realpathSync(dir)}/`;
  const points = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ', 2)[1] ?? '')
    .filter((point) => point.startsWith(below));
  for (const point of points.toReversed()) await tryCommand('umount', [point]);
}
