import { readdirSync, readFileSync } from 'node:fs';
import { request, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { expect } from 'chai';
import { untilQuiesced } from '../../drills/cluster/quiesce.ts';
import type { ContainerClusterFile } from '../../scripts/cluster/cluster-file.ts';
import { RunDir } from '../../scripts/cluster/run-dir.ts';
import { DEFAULT_SHAPE, isSmall, type Shape } from '../../scripts/cluster/shape.ts';
import { Compose, type Container } from '../../scripts/containers/compose.ts';
import { openEngine, type Engine } from '../../scripts/containers/engine.ts';
import { ensureSettings } from '../../scripts/containers/secrets.ts';
import { refreshClusterFile } from '../../scripts/containers/up.ts';
import { TestCluster } from '../e2e/cluster.ts';
import { until } from '../until.ts';

const QUIET_MS = 120_000;
/** Shorter than the default, because an audit after a crash has to wait for it. */
const QUARANTINE_MS = 10_000;

/** The cluster of one test file, in containers. The commands that a person types start and stop it. */
export class ContainerTestCluster {
  readonly commands: TestCluster;
  readonly runDir: RunDir;
  readonly #shape: Shape;
  #engine: Engine | undefined;
  #compose: Compose | undefined;
  #file: ContainerClusterFile | undefined;

  /** @param shape of `up --containers`, or of `up --small --containers` */
  constructor(name: string, shape = DEFAULT_SHAPE) {
    this.#shape = shape;
    this.commands = new TestCluster(name);
    this.runDir = new RunDir(this.commands.runDir);
  }

  async up(): Promise<void> {
    this.#engine = await openEngine(() => undefined);
    this.#compose = new Compose(this.engine.docker, this.runDir, this.#shape);
    ensureSettings(this.compose.envFile, this.runDir, { KEYMILL_QUARANTINE_MS: String(QUARANTINE_MS) });
    await this.commands.must('up', '--containers', '--detach', ...(isSmall(this.#shape) ? ['--small'] : []));
    await this.describe();
  }

  async destroy(): Promise<void> {
    await this.commands.must('down', '--wipe');
    await this.#engine?.release();
  }

  /** Destroys it, and sees that the engine has nothing of it any more. */
  async destroyWholly(): Promise<void> {
    const { docker } = this.engine;
    const { project } = this.compose;
    await this.destroy();
    for (const kind of ['ps --all', 'volume ls', 'network ls']) {
      const args = [...kind.split(' '), '--quiet', '--filter', `label=com.docker.compose.project=${project}`];
      if (await docker.answers()) expect(await docker.lines(args), kind).to.deep.equal([]);
    }
  }

  get engine(): Engine {
    if (this.#engine === undefined) throw new Error('the cluster is not up');
    return this.#engine;
  }

  get compose(): Compose {
    if (this.#compose === undefined) throw new Error('the cluster is not up');
    return this.#compose;
  }

  /** From the last call of {@link describe}. */
  get file(): ContainerClusterFile {
    if (this.#file === undefined) throw new Error('the cluster is not up');
    return this.#file;
  }

  /** Reads the present addresses of all containers. */
  async describe(): Promise<ContainerClusterFile> {
    this.#file = await refreshClusterFile(this.runDir, this.compose);
    return this.#file;
  }

  async container(name: string): Promise<Container> {
    const found = (await this.compose.containers()).find((container) => container.name === name);
    if (found === undefined) throw new Error(`there is no container ${name}`);
    return found;
  }

  /** Every container that is meant to run all the time, sorted by name. */
  async running(): Promise<Container[]> {
    return (await this.compose.containers())
      .filter(({ service }) => service !== 'prepare')
      .toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  /**
   * Sends SIGKILL to its main process from the host. To the engine this is a crash, so it applies the restart
   * policy.
   */
  async kill(name: string): Promise<void> {
    const { pid } = await this.container(name);
    process.kill(pid, 'SIGKILL');
  }

  /** Waits until the container runs again with another process. */
  async restarted(name: string, before: Container): Promise<void> {
    await until(
      `${name} to come back by itself`,
      async () => {
        const now = await this.container(name);
        return now.state === 'running' && now.pid !== 0 && now.pid !== before.pid;
      },
      { timeoutMs: 60_000, everyMs: 100 },
    );
  }

  /** Waits until every process is ready, every shard has a delivering holder, and every pool is filled. */
  async quiet(): Promise<void> {
    await this.describe();
    const trouble = await untilQuiesced(() => this.file, QUIET_MS);
    if (trouble.length > 0) throw new Error(`not quiet after ${QUIET_MS / 1000} s: ${trouble.join('; ')}`);
  }

  /**
   * Sends a request to the engine's API, and resolves with its answer. Starting the docker client would take
   * longer than the measured time.
   */
  async ask(method: 'GET' | 'POST', path: string): Promise<string> {
    const socketPath = this.engine.docker.host.replace(/^unix:\/\//, '');
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    request({ socketPath, method, path }, resolve).once('error', reject).end();
    const answer = await promise;
    const body = await text(answer);
    if ((answer.statusCode ?? 500) < 400) return body;
    throw new Error(`the engine answers ${answer.statusCode} to ${method} ${path}: ${body}`);
  }
}

/** The children of a process: their process ids on the host, and in their own namespace. */
export function childrenOf(pid: number): { pid: number; innerPid: number }[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8')
      .trim()
      .split(' ')
      .filter((child) => child !== '')
      .map((child) => {
        const ids = /^NSpid:\s+(.*)$/m.exec(readFileSync(`/proc/${child}/status`, 'utf8'))?.[1] ?? '';
        return { pid: Number(child), innerPid: Number(ids.split(/\s+/).at(-1)) };
      }),
  );
}
