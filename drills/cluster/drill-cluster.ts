import { existsSync, readFileSync } from 'node:fs';
import { producerPath } from '../../coordinator/paths.ts';
import { parseProducerMember } from '../../coordinator/overview/producer-member.ts';
import { parseJson } from '../../runtime/json.ts';
import { UsageError } from '../../runtime/terminal/errors.ts';
import { readClusterFile, type ClusterFile } from '../../scripts/cluster/cluster-file.ts';
import { TOKEN_VARIABLE } from '../../scripts/cluster/environment.ts';
import { takeLock } from '../../scripts/cluster/lock.ts';
import type { ProgressLog } from '../../scripts/cluster/progress-log.ts';
import type { RunDir } from '../../scripts/cluster/run-dir.ts';
import { State, type Growth } from '../../scripts/cluster/state.ts';
import {
  identityOf,
  signalProcess,
  waitUntilGone,
  type ProcessIdentity,
} from '../../scripts/servers/identity.ts';
import { injectNetworkFault } from '../proxy/wire-client.ts';
import type { NetworkFault } from '../proxy/wire-control.ts';
import { Deaths } from './deaths.ts';
import { HeldPorts } from './held-ports.ts';
import { runKeymill } from './keymill.ts';
import { ReopeningSession } from './reopening-session.ts';
import { startProcesses, type StartOverrides } from './start-processes.ts';

/** The names under which `up` records the ports of one process. */
const PORT_NAMES = ['', '/http', '/admin', '/quorum', '/election'];
const DEATH_TIMEOUT_MS = 30_000;

/** A step of `keymill grow`, or its undoing. */
export type UnfinishedStep = NonNullable<Growth['unfinished']>;

/**
 * The cluster under test, as its `cluster.json` describes it. A drill touches a process only if that file
 * names it (or its supervisor, for a worker) and the process has the cluster's token in its environment.
 */
export class DrillCluster {
  readonly runDir: RunDir;
  readonly session: ReopeningSession;
  readonly #progress: ProgressLog;
  readonly #heldPorts = new HeldPorts();
  readonly #deaths = new Deaths();

  /** @throws UsageError when no cluster runs in `runDir` */
  static async open(runDir: RunDir, progress: ProgressLog): Promise<DrillCluster> {
    if (!existsSync(runDir.clusterFile)) throw new UsageError(`no cluster runs in ${runDir.path}`);
    const { zookeeper } = readClusterFile(runDir.clusterFile);
    return new DrillCluster(runDir, await ReopeningSession.open(zookeeper), progress);
  }

  private constructor(runDir: RunDir, session: ReopeningSession, progress: ProgressLog) {
    this.runDir = runDir;
    this.session = session;
    this.#progress = progress;
  }

  /** The present `cluster.json`. `up` writes it, and every restart by a drill. */
  get file(): ClusterFile {
    return readClusterFile(this.runDir.clusterFile);
  }

  get shards(): string[] {
    return this.file.keysDbs.map(({ name }) => name);
  }

  /** Each of these processes has a reserve of its own. */
  get processesPerMapper(): number {
    return this.#state().counts?.processesPerMapper ?? 1;
  }

  /**
   * Sends a signal to a server, mapper or supervisor.
   * @throws UsageError when no such process of this cluster runs
   */
  signal(id: string, signal: NodeJS.Signals): ProcessIdentity {
    const identity = this.identityOf(id);
    if (!signalProcess(identity, signal))
      throw new UsageError(`${id} (process ${identity.pid}) does not run`);
    if (signal === 'SIGKILL' || signal === 'SIGTERM') this.expectDeath(id);
    return identity;
  }

  /** From now until its next start, the end of this process is no surprise. */
  expectDeath(id: string): void {
    this.#deaths.expect(id);
  }

  /** Processes that ended since the last call although no drill ended them. */
  takeUnexpectedDeaths(): string[] {
    this.#noteDeaths(this.#state());
    return this.#deaths.takeUnexpected();
  }

  #noteDeaths(state: State): void {
    this.#deaths.note(describedPids(this.file).keys(), (id) => state.findRunning(id) !== undefined);
  }

  /** Ends a process and returns when it is gone. */
  async kill(id: string, signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
    const identity = this.signal(id, signal);
    if (signal === 'SIGTERM') signalProcess(identity, 'SIGCONT');
    if (!(await waitUntilGone(identity, DEATH_TIMEOUT_MS)))
      throw new Error(`${id} still runs ${DEATH_TIMEOUT_MS / 1_000} s after ${signal}`);
    await this.holdPorts(id);
  }

  /** Keeps the ports of an ended process from other clusters on this machine, until its next start. */
  async holdPorts(id: string): Promise<void> {
    const state = this.#state();
    await this.#heldPorts.hold(PORT_NAMES.flatMap((use) => state.port(`${id}${use}`) ?? []));
  }

  /** @throws UsageError when the cluster does not describe this process, or it does not run */
  identityOf(id: string): ProcessIdentity {
    const described = describedPids(this.file).get(id);
    const recorded = this.#state().findRunning(id);
    if (described === undefined || recorded?.pid !== described)
      throw new UsageError(`${id} is not a running process that ${this.runDir.clusterFile} describes`);
    return recorded;
  }

  /**
   * The current worker of a producer.
   * @throws UsageError when it has none, or the process does not belong to this cluster
   */
  async workerOf(producer: string): Promise<ProcessIdentity> {
    const supervisor = this.file.producers.find(({ id }) => id === producer)?.supervisorPid;
    const node = await this.session.read(async (session) => session.get(producerPath(producer)));
    const member = parseProducerMember(parseJson(node?.data ?? ''));
    const identity = typeof member?.pid === 'number' ? identityOf(member.pid) : undefined;
    if (identity === undefined || member?.supervisorPid !== supervisor)
      throw new UsageError(`${producer} has no worker now`);
    if (!this.#carriesToken(identity.pid))
      throw new UsageError(
        `process ${identity.pid}, which ${producer} announces, does not belong to this cluster`,
      );
    return identity;
  }

  /**
   * Starts every server, producer and mapper that does not run, and writes `cluster.json` again. Does not
   * wait until the producers and mappers are ready.
   */
  async startMissing(overrides: StartOverrides = {}): Promise<void> {
    const lock = await takeLock(this.runDir, () => undefined);
    try {
      const state = this.#state();
      const { shape, counts } = state;
      if (shape === undefined || counts === undefined) throw new UsageError('the cluster is down');
      const isRunning = (id: string): boolean => state.findRunning(id) !== undefined;
      this.#noteDeaths(state);
      const gone = this.#deaths.gone(isRunning);
      this.#heldPorts.release();
      await startProcesses(
        { runDir: this.runDir, state, shape, counts, progress: this.#progress },
        overrides,
      );
      // Another fault may have ended one of them again in the meantime.
      for (const id of gone) if (isRunning(id)) this.#deaths.forget(id);
    } finally {
      lock.release();
    }
  }

  /**
   * Makes a fault of the network in front of one server, for all producers and mappers.
   * @throws UsageError when the cluster has no wire
   */
  async injectNetworkFault(server: string, fault: NetworkFault): Promise<void> {
    const { wire } = this.file;
    if (wire === undefined) throw new UsageError('this cluster has no wire: ./scripts/up --faultable');
    await injectNetworkFault({ control: wire.control, token: this.#state().token }, server, fault);
  }

  /** Runs an operator's command on this cluster. @throws Error when the command fails */
  async keymill(...args: string[]): Promise<void> {
    const { error } = await runKeymill(this.runDir, args);
    if (error !== undefined) throw error;
  }

  /**
   * Runs an operator's command, and kills it by SIGKILL when `kill` is aborted.
   * @throws Error when the command fails by itself
   */
  async keymillUnlessKilled(kill: AbortSignal, ...args: string[]): Promise<void> {
    const { error } = await runKeymill(this.runDir, args, { signal: kill });
    if (error !== undefined && !kill.aborted) throw error;
  }

  /** The step of `keymill grow` that has begun and not ended. */
  get unfinishedStep(): UnfinishedStep | undefined {
    return this.#state().growth?.unfinished;
  }

  /** Whether it began small and is not small any more. */
  get hasGrown(): boolean {
    return this.#state().growth !== undefined;
  }

  async close(): Promise<void> {
    this.#heldPorts.release();
    await this.session.close();
  }

  #state(): State {
    const state = State.find(this.runDir);
    if (state === undefined) throw new UsageError(`${this.runDir.path} has no record of a cluster`);
    return state;
  }

  #carriesToken(pid: number): boolean {
    if (process.platform !== 'linux') return true;
    try {
      const variables = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
      return variables.includes(`${TOKEN_VARIABLE}=${this.#state().token}`);
    } catch {
      return false;
    }
  }
}

function describedPids(file: ClusterFile): Map<string, number> {
  return new Map([
    ...file.mappers.map(({ id, pid }) => [id, pid] as const),
    ...file.producers.map(({ id, supervisorPid }) => [id, supervisorPid] as const),
    ...file.redis.map(({ name, pid }) => [name, pid] as const),
    ...file.mysql.map(({ name, pid }) => [name, pid] as const),
    ...file.zookeeper.servers.map(({ id, pid }) => [`zookeeper-${id}`, pid] as const),
  ]);
}
