import { existsSync, readFileSync } from 'node:fs';
import { z } from 'zod';
import { producerPath } from '../../coordinator/paths.ts';
import { readClusterFile, writeClusterFile, type ClusterFile } from '../../scripts/cluster/cluster-file.ts';
import { describeCluster } from '../../scripts/cluster/describe.ts';
import { addressesOf, TOKEN_VARIABLE, type Addresses } from '../../scripts/cluster/environment.ts';
import { takeLock } from '../../scripts/cluster/lock.ts';
import { startMembers } from '../../scripts/cluster/members.ts';
import type { ProgressLog } from '../../scripts/cluster/progress-log.ts';
import type { RunDir } from '../../scripts/cluster/run-dir.ts';
import { startServers, type Launch } from '../../scripts/cluster/servers.ts';
import { isFaultable, memberAddresses, startWire } from '../../scripts/cluster/wire.ts';
import type { Fault } from '../proxy/wire-control.ts';
import { State, type Kind } from '../../scripts/cluster/state.ts';
import {
  identityOf,
  signalProcess,
  waitUntilGone,
  type ProcessIdentity,
} from '../../scripts/servers/identity.ts';
import { reservePort, type ReservedPort } from '../../scripts/servers/ports.ts';
import { parseJson } from '../../runtime/json.ts';
import { UsageError } from '../../runtime/terminal/errors.ts';
import { LastingSession } from './lasting-session.ts';

const Member = z.object({ pid: z.number(), supervisorPid: z.number().nullable() });

/** How `up` calls the ports of one process on its record. */
const PORT_NAMES = ['', '/http', '/admin', '/quorum', '/election'];
const DEATH_TIMEOUT_MS = 30_000;
const CONTROL_TIMEOUT_MS = 5_000;

/** How what is started now differs from what `up` starts. */
export interface Differently {
  /** Variables that the started processes get besides. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Where started producers and mappers find their servers, as far as it is elsewhere. */
  readonly addresses?: Partial<Addresses>;
}

/**
 * The cluster under test: the one that a `cluster.json` describes, and nothing else. A process is only touched when that file (or,
 * for a worker, its supervisor in that file) names it and it carries the cluster's token in its environment.
 */
export class DrillCluster {
  readonly runDir: RunDir;
  readonly session: LastingSession;
  readonly #progress: ProgressLog;
  readonly #held: ReservedPort[] = [];
  /** Whose end is the drill's doing. */
  readonly #ended = new Set<string>();
  readonly #diedAlone: string[] = [];

  /** @throws UsageError when no cluster is described in `runDir`, or it does not run */
  static async open(runDir: RunDir, progress: ProgressLog): Promise<DrillCluster> {
    if (!existsSync(runDir.clusterFile)) throw new UsageError(`no cluster is described in ${runDir.path}`);
    const { connect } = readClusterFile(runDir.clusterFile).zookeeper;
    return new DrillCluster(runDir, await LastingSession.open(connect), progress);
  }

  private constructor(runDir: RunDir, session: LastingSession, progress: ProgressLog) {
    this.runDir = runDir;
    this.session = session;
    this.#progress = progress;
  }

  /** As `up`, or the last restart, described it. */
  get file(): ClusterFile {
    return readClusterFile(this.runDir.clusterFile);
  }

  get shards(): string[] {
    return this.file.keysDbs.map(({ name }) => name);
  }

  /** Each of them has a reserve of its own. */
  get processesPerMapper(): number {
    return this.#state().counts?.processesPerMapper ?? 1;
  }

  /** Sends a signal to a server, mapper or supervisor by its id. @throws UsageError when it is not one of this cluster's */
  signal(id: string, signal: NodeJS.Signals): ProcessIdentity {
    const identity = this.identityOf(id);
    if (!signalProcess(identity, signal))
      throw new UsageError(`${id} (process ${identity.pid}) does not run`);
    if (signal === 'SIGKILL' || signal === 'SIGTERM') this.expectDeath(id);
    return identity;
  }

  /** From now on, until it is started again, it is no surprise when this process ends. */
  expectDeath(id: string): void {
    this.#ended.add(id);
  }

  /** Processes that ended though no drill ended them, since this was last asked. */
  takeDiedAlone(): string[] {
    this.#noteDeaths();
    return this.#diedAlone.splice(0);
  }

  #noteDeaths(): void {
    const state = this.#state();
    for (const id of describedPids(this.file).keys()) {
      if (state.findRunning(id) !== undefined || this.#ended.has(id)) continue;
      this.#diedAlone.push(id);
      this.#ended.add(id);
    }
  }

  /** Kills a process and returns when it is gone. */
  async kill(id: string, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const identity = this.signal(id, signal);
    if (signal === 'SIGTERM') signalProcess(identity, 'SIGCONT');
    if (!(await waitUntilGone(identity, DEATH_TIMEOUT_MS)))
      throw new Error(`${id} does not end by ${signal}`);
    await this.holdPorts(id);
  }

  /** Keeps the ports of what does not run from other clusters on this machine, until it is started again. */
  async holdPorts(id: string): Promise<void> {
    const state = this.#state();
    const ports = PORT_NAMES.flatMap((use) => state.port(`${id}${use}`) ?? []);
    // One that is taken already is not ours to hold: the start will say so.
    const held = await Promise.allSettled(ports.map(async (port) => reservePort(port, 1)));
    this.#held.push(...held.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : [])));
  }

  /** @throws UsageError when the cluster does not describe it, or it does not run */
  identityOf(id: string): ProcessIdentity {
    const described = describedPids(this.file).get(id);
    const recorded = this.#state().findRunning(id);
    if (described === undefined || recorded?.pid !== described) {
      throw new UsageError(`${id} is not a running process that ${this.runDir.clusterFile} describes`);
    }
    return recorded;
  }

  /** The worker that a producer has now. @throws UsageError when it has none, or the process is none of this cluster's */
  async workerOf(producer: string): Promise<ProcessIdentity> {
    const supervisor = this.file.producers.find(({ id }) => id === producer)?.supervisorPid;
    const node = await this.session.current.get(producerPath(producer));
    const member = Member.safeParse(parseJson(node?.data ?? ''));
    const identity = member.success ? identityOf(member.data.pid) : undefined;
    if (!member.success || identity === undefined || member.data.supervisorPid !== supervisor)
      throw new UsageError(`${producer} has no worker now`);
    if (!this.#carriesToken(identity.pid))
      throw new UsageError(`process ${identity.pid}, which ${producer} announces, is none of this cluster's`);
    return identity;
  }

  /**
   * Starts every server, producer and mapper that does not run, without waiting until producers and mappers are ready, and
   * describes the cluster anew.
   */
  async startMissing({ environment = {}, addresses: changed = {} }: Differently = {}): Promise<void> {
    const lock = await takeLock(this.runDir, () => undefined);
    const before = { ...process.env };
    Object.assign(process.env, environment);
    try {
      const state = this.#state();
      const { shape, counts } = state;
      if (shape === undefined || counts === undefined) throw new UsageError('the cluster is down');
      this.#noteDeaths();
      const gone = [...this.#ended].filter((id) => state.findRunning(id) === undefined);
      const launch = this.#launch(state);
      for (const port of this.#held.splice(0)) port.release();
      await startServers(shape, launch);
      if (isFaultable(state)) await startWire(shape, launch);
      const reserved = await startMembers(counts, { ...memberAddresses(shape, state), ...changed }, launch);
      for (const port of reserved) port.release();
      // Not all: another fault may have ended something meanwhile.
      for (const id of gone) if (state.findRunning(id) !== undefined) this.#ended.delete(id);
      const addresses = addressesOf(shape, state, (id) => state.port(id) ?? 0);
      const workers = new Map(this.file.producers.map(({ id, workerPid }) => [id, workerPid]));
      writeClusterFile(this.runDir, describeCluster({ shape, counts, addresses, state, workers }));
    } finally {
      for (const name of Object.keys(environment)) restore(name, before[name]);
      lock.release();
    }
  }

  /** Makes a fault of the network before one server, for all producers and mappers. @throws UsageError without a wire */
  async makeFault(server: string, fault: Fault): Promise<void> {
    const { wire } = this.file;
    if (wire === undefined) throw new UsageError('this cluster has no wire: ./scripts/up --faultable');
    const answer = await fetch(`${wire.control}/${server}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${this.#state().token}` },
      body: JSON.stringify(fault),
      signal: AbortSignal.timeout(CONTROL_TIMEOUT_MS),
    });
    if (!answer.ok) throw new Error(`the wire refuses ${JSON.stringify(fault)}: ${await answer.text()}`);
  }

  async close(): Promise<void> {
    for (const port of this.#held.splice(0)) port.release();
    await this.session.close();
  }

  #launch(state: State): Launch {
    return {
      runDir: this.runDir,
      state,
      progress: this.#progress,
      signal: new AbortController().signal,
      onSpawn: (id: string, kind: Kind, spawned: ProcessIdentity) => state.recordProcess(id, kind, spawned),
    };
  }

  #state(): State {
    const state = State.find(this.runDir);
    if (state === undefined) throw new UsageError(`nothing is on record in ${this.runDir.path}`);
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

function restore(name: string, value: string | undefined): void {
  if (value === undefined) delete process.env[name];
  else process.env[name] = value;
}
