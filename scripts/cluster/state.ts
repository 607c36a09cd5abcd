import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { z } from 'zod';
import { messageOf } from '../../runtime/errors.ts';
import { parseJsonAs } from '../../runtime/json-schema.ts';
import { isRunning, ProcessIdentity } from '../servers/identity.ts';
import { ClusterError } from './errors.ts';
import { FolderIdentity, isCopy, writePrivateFile, type RunDir } from './run-dir.ts';
import type { KeySourceName } from '../../runtime/config/stores.ts';
import type { Shape } from './shape.ts';

/** The kinds of processes. `down` stops them in this order. */
export const KINDS = ['mapper', 'producer', 'wire', 'redis', 'mysql', 'zookeeper', 'log-keeper'] as const;
export type Kind = (typeof KINDS)[number];

const Counts = z
  .object({ producers: z.number(), mappers: z.number(), processesPerMapper: z.number().default(1) })
  .readonly();
/** How many of each are meant to run. */
export type Counts = z.infer<typeof Counts>;

const StateFile = z.object({
  /**
   * Only the processes of this cluster have it in their environment. By it `down` finds processes without a
   * record.
   */
  token: z.string(),
  /** Where this file was written. In a copy, token and processes are those of another cluster. */
  folder: FolderIdentity.optional(),
  mysqlPassword: z.string(),
  redisPassword: z.string(),
  /** `user:password`. Null: the nodes in ZooKeeper stay open. Absent: an older version wrote the record. */
  zookeeperAuth: z.string().nullable().optional(),
  /** For the admin ports. Absent in the record of an older version: then one is made. */
  adminToken: z.string().optional(),
  /** The layout of the data, from the first run on. The data depends on it. */
  shape: z
    .object({ keysDbs: z.number(), redis: z.number(), zookeepers: z.number(), mysqlServers: z.number() })
    .optional(),
  /** Where mappers get keys. Absent: from the pools. */
  keySource: z.enum(['pools', 'counter']).optional(),
  /** How much memory servers and mappers are started with. Absent: the usual. */
  memory: z.enum(['small', 'full']).optional(),
  /** Only of a cluster that began small and has grown: the step that has begun and not ended. */
  growth: z
    .object({
      unfinished: z.object({ step: z.string(), way: z.enum(['grow', 'undo']) }).optional(),
      /** The numbers with which it was stopped. */
      counts: Counts.optional(),
    })
    .optional(),
  /** True once a store may hold data laid out by `shape`. */
  established: z.boolean(),
  /** How many of each are meant to run; absent when the cluster is down. */
  counts: Counts.optional(),
  ports: z.record(z.string(), z.number()),
  processes: z.record(
    z.string(),
    z.object({
      kind: z.enum(KINDS),
      pid: z.number(),
      startTime: z.string(),
      /** Fingerprint of the settings that a producer or mapper was started with. */
      config: z.string().optional(),
    }),
  ),
  /** The `up` that is running now, so that `down` can interrupt it. */
  up: ProcessIdentity.optional(),
});
type StateFile = z.infer<typeof StateFile>;

/** A process on record, whether or not it still runs. */
export interface RecordedProcess extends ProcessIdentity {
  readonly id: string;
  readonly kind: Kind;
}

/** What besides its shape makes a cluster small or full. While a cluster grows, it is neither. */
export interface Setup {
  readonly keySource: KeySourceName;
  readonly memory: 'small' | 'full';
}

/** That a small cluster has grown, and the step of it, or its undoing, that has begun and not ended. */
export type Growth = NonNullable<StateFile['growth']>;

/**
 * The record of a cluster. Every change is written immediately, so it is right even after a command was
 * killed.
 */
export class State {
  readonly #runDir: RunDir;
  #data: StateFile;
  #isDraft = false;

  private constructor(runDir: RunDir, data: StateFile) {
    this.#runDir = runDir;
    this.#data = data;
  }

  /**
   * Reads the record; undefined when nothing was ever started here. A copied record keeps its data, secrets
   * and ports. The processes and the token stay with the original.
   */
  static find(runDir: RunDir): State | undefined {
    if (!existsSync(runDir.stateFile)) return undefined;
    try {
      const data = parseJsonAs(StateFile, readFileSync(runDir.stateFile, 'utf8'));
      return new State(runDir, isCopy(data.folder, runDir.identity) ? withoutProcesses(data) : data);
    } catch (error) {
      throw new ClusterError(
        `${runDir.stateFile} cannot be read: ${messageOf(error)}\n` +
          'It contains the passwords and process ids of this cluster. Restore it, or stop the processes by hand and delete the folder.',
      );
    }
  }

  /** Reads the record, or creates one with new random secrets. */
  static open(runDir: RunDir): State {
    const found = State.find(runDir);
    if (found !== undefined) {
      if (found.adminToken === undefined) found.#change({ adminToken: randomToken(32) });
      return found;
    }
    runDir.make();
    if (!existsSync(runDir.keySecretFile))
      writePrivateFile(runDir.keySecretFile, `${randomBytes(32).toString('hex')}\n`);
    const state = new State(runDir, {
      token: randomToken(16),
      mysqlPassword: randomBytes(16).toString('hex'),
      redisPassword: randomBytes(16).toString('hex'),
      adminToken: randomToken(32),
      established: false,
      ports: {},
      processes: {},
    });
    state.#save();
    return state;
  }

  /** A copy whose changes are not written: what the record would be. */
  draft(): State {
    const draft = new State(this.#runDir, this.#data);
    draft.#isDraft = true;
    return draft;
  }

  get token(): string {
    return this.#data.token;
  }

  get mysqlPassword(): string {
    return this.#data.mysqlPassword;
  }

  get redisPassword(): string {
    return this.#data.redisPassword;
  }

  /** `user:password`; undefined when the nodes in ZooKeeper are open. */
  get zookeeperAuth(): string | undefined {
    return this.#data.zookeeperAuth ?? undefined;
  }

  /** Chooses once whether the nodes in ZooKeeper are open, and else the password. */
  chooseZookeeperAuth({ isOpen }: { isOpen: boolean }): void {
    if (this.#data.zookeeperAuth === undefined || (isOpen && !this.isEstablished))
      this.#change({ zookeeperAuth: isOpen ? null : `keymill:${randomBytes(16).toString('hex')}` });
  }

  /** Undefined only in a record of an older version that was found and not opened. */
  get adminToken(): string | undefined {
    return this.#data.adminToken;
  }

  get shape(): Shape | undefined {
    return this.#data.shape;
  }

  get setup(): Setup {
    const { keySource = 'pools', memory = 'full' } = this.#data;
    return { keySource, memory };
  }

  /** Undefined: it did not begin small, or it is small again. */
  get growth(): Growth | undefined {
    return this.#data.growth;
  }

  get isEstablished(): boolean {
    return this.#data.established;
  }

  get counts(): Counts | undefined {
    return this.#data.counts;
  }

  get up(): ProcessIdentity | undefined {
    return this.#data.up;
  }

  set up(identity: ProcessIdentity | undefined) {
    this.#change({ up: identity });
  }

  port(id: string): number | undefined {
    return this.#data.ports[id];
  }

  recordPort(id: string, port: number): void {
    this.#change({ ports: { ...this.#data.ports, [id]: port } });
  }

  recordShape(shape: Shape): void {
    this.#change({ shape });
  }

  recordSetup(setup: Partial<Setup>): void {
    this.#change(setup);
  }

  recordGrowth(growth: Growth | undefined): void {
    this.#change({ growth });
  }

  recordEstablished(): void {
    if (!this.#data.established) this.#change({ established: true });
  }

  /** Undefined: the cluster is down. A growing one then remembers its numbers, which its steps made. */
  recordCounts(counts: Counts | undefined): void {
    const { growth, counts: last } = this.#data;
    const isGrowingDown = counts === undefined && last !== undefined && growth !== undefined;
    this.#change({ counts, ...(isGrowingDown && { growth: { ...growth, counts: last } }) });
  }

  recordProcess(id: string, kind: Kind, { pid, startTime }: ProcessIdentity): void {
    this.#change({ processes: { ...this.#data.processes, [id]: { kind, pid, startTime } } });
  }

  /** Records the settings that a running process was started with. */
  recordConfig(id: string, config: string): void {
    const entry = this.#data.processes[id];
    if (entry !== undefined)
      this.#change({ processes: { ...this.#data.processes, [id]: { ...entry, config } } });
  }

  configOf(id: string): string | undefined {
    return this.#data.processes[id]?.config;
  }

  forgetProcess(id: string): void {
    const { [id]: _, ...processes } = this.#data.processes;
    this.#change({ processes });
  }

  /** Everything on record, running or not. */
  processes(): RecordedProcess[] {
    return Object.entries(this.#data.processes).map(([id, entry]) => ({ id, ...entry }));
  }

  /** The recorded process of this id, if that same process still runs. */
  findRunning(id: string): ProcessIdentity | undefined {
    const entry = this.#data.processes[id];
    return entry !== undefined && isRunning(entry)
      ? { pid: entry.pid, startTime: entry.startTime }
      : undefined;
  }

  #change(change: Partial<StateFile>): void {
    this.#data = { ...this.#data, ...change };
    this.#save();
  }

  #save(): void {
    if (this.#isDraft) return;
    const data: StateFile = { ...this.#data, folder: this.#runDir.identity };
    writePrivateFile(this.#runDir.stateFile, `${JSON.stringify(data, null, 2)}\n`);
  }
}

function randomToken(bytes: number): string {
  return randomBytes(bytes).toString('hex');
}

function withoutProcesses(data: StateFile): StateFile {
  return { ...data, token: randomToken(16), processes: {}, counts: undefined, up: undefined };
}
