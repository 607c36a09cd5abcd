import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readClusterFile, type ClusterFile } from '../../scripts/cluster/cluster-file.ts';
import { REPOSITORY } from '../../scripts/cluster/run-dir.ts';
import { findStrays } from '../../scripts/cluster/stop.ts';
import { testFolder } from '../servers.ts';
import { until } from '../until.ts';

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A running command. `done` resolves when it has ended and no child keeps its output open. */
export interface Running {
  readonly child: ChildProcess;
  readonly done: Promise<Outcome>;
  readonly output: () => string;
}

/** The tests that run beside these have another lane, and ports far from ours. */
const LANE = Number(process.env['KEYMILL_TEST_LANE'] ?? Math.round(Math.random()));
const LANE_PORTS = 5_000;

/**
 * The cluster of one test file, in its own run folder. The tests control it with the commands that a person
 * types. When this process dies, for whatever reason, a watchdog stops the cluster.
 */
export class TestCluster {
  readonly runDir: string;
  /** Far from other clusters on this machine, because those would take the ports that this one releases. */
  readonly #portOffset = 10_000 + LANE_PORTS * LANE + 100 * Math.floor(Math.random() * 50);

  constructor(name: string) {
    this.runDir = join(testFolder(), name);
    mkdirSync(this.runDir, { recursive: true, mode: 0o700 });
    guard(this.runDir);
  }

  /** Starts `./scripts/<script> args` without waiting for it. */
  start(script: string, ...args: string[]): Running {
    const child = spawn(join(REPOSITORY, 'scripts', script), args, {
      cwd: this.runDir,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, KEYMILL_RUN_DIR: this.runDir, KEYMILL_PORT_OFFSET: String(this.#portOffset) },
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk) => (stdout += String(chunk)));
    child.stderr.on('data', (chunk) => (stderr += String(chunk)));
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    child.once('close', (code) => resolve({ code, stdout, stderr }));
    return { child, done: promise, output: () => stdout + stderr };
  }

  async run(script: string, ...args: string[]): Promise<Outcome> {
    return this.start(script, ...args).done;
  }

  /** Runs a command that must succeed. */
  async must(script: string, ...args: string[]): Promise<Outcome> {
    const outcome = await this.run(script, ...args);
    if (outcome.code !== 0) {
      throw new Error(
        `${script} ${args.join(' ')}: exit code ${outcome.code}\n${outcome.stdout}${outcome.stderr}`,
      );
    }
    return outcome;
  }

  async keymill<T>(...args: string[]): Promise<T> {
    return JSON.parse((await this.must('keymill', ...args, '--json')).stdout) as T;
  }

  get isDescribed(): boolean {
    return existsSync(join(this.runDir, 'cluster.json'));
  }

  get file(): ClusterFile {
    return readClusterFile(join(this.runDir, 'cluster.json'));
  }

  /** The running processes of this cluster: found by its token, and by its folder in their command lines. */
  leftovers(): string[] {
    const state = join(this.runDir, 'state.json');
    if (!existsSync(state)) return this.#byCommandLine();
    const { token } = JSON.parse(readFileSync(state, 'utf8')) as { token: string };
    return [...findStrays(token).map(({ pid }) => String(pid)), ...this.#byCommandLine()];
  }

  /** Their ids and command lines. */
  describeLeftovers(): string {
    return [...new Set(this.leftovers())]
      .map(
        (pid) => `${pid} ${readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').slice(0, 200)}`,
      )
      .join('\n');
  }

  #byCommandLine(): string[] {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
      .filter((name) => {
        try {
          const words = readFileSync(`/proc/${name}/cmdline`, 'utf8');
          return words.includes(this.runDir) && !words.includes('tail --pid');
        } catch {
          return false;
        }
      });
  }

  /** Stops it, in any state, and deletes its data. */
  async destroy(): Promise<void> {
    await this.must('down', '--wipe');
  }
}

/** Starts a watchdog in its own session, which waits for our end and then stops the cluster. */
function guard(runDir: string): void {
  const script = 'tail --pid="$1" -f /dev/null; [ -d "$2" ] && KEYMILL_RUN_DIR="$2" "$3" --wipe';
  const down = join(REPOSITORY, 'scripts', 'down');
  spawn('sh', ['-c', script, 'sh', String(process.pid), runDir, down], {
    detached: true,
    stdio: 'ignore',
  }).unref();
}

/** Waits until no process of the cluster runs. */
export async function untilNothingRuns(cluster: TestCluster): Promise<void> {
  await until('all processes to end', () => cluster.leftovers().length === 0, { timeoutMs: 5_000 });
}
