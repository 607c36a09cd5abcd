/**
 * The servers that tests need, whoever runs them: local child processes (`local.ts`) or containers (`containers.ts`). Tests that are about
 * the store and not about its process ask here, and break what they get through its own verbs. `contract.test.ts` holds both to this.
 */
export interface Services {
  /** Undefined settings: what tests want, which is speed. */
  startMysql(options: { readonly id: string; readonly durable?: boolean } & Cuttable): Promise<MysqlServer>;
  startRedis(options: { readonly id: string; readonly databases?: number } & Cuttable): Promise<RedisServer>;
  /** Resolves when every server serves. */
  startZooKeeper(options: { readonly id: string; readonly servers?: number } & Cuttable): Promise<Ensemble>;
  /** Stops whatever still runs, and removes every trace. */
  close(): Promise<void>;
}

interface Cuttable {
  /** Whether `disconnect` will be asked for: a local server gets a proxy before it then. */
  readonly cuttable?: boolean;
}

/** One server that a test may break. Its address stays the same whatever happens to it. */
export interface Server {
  readonly id: string;
  readonly host: string;
  readonly port: number;
  /** As a crash: nothing is written any more from one moment to the next. Resolves when it is gone. */
  kill(): Promise<void>;
  /** Starts what was killed, with its data unless they are `wiped`; resolves when it serves. */
  restart(options?: { readonly wiped?: boolean }): Promise<void>;
  /** It does nothing any more, and its connections stay open. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** The cable is pulled: what is sent to it is not answered, not even by a reset. */
  disconnect(): Promise<void>;
  connect(): Promise<void>;
  /** What it has printed so far. */
  log(): Promise<string>;
  /** Ends it for good, in whatever state it is; may be asked twice. */
  stop(): Promise<void>;
}

export interface MysqlServer extends Server {
  /** Of a database that need not exist, for a user who may do everything. */
  url(database: string): string;
}

export interface RedisServer extends Server {
  url(database?: number): string;
}

export interface Ensemble {
  readonly connect: string;
  readonly servers: readonly Server[];
  stop(): Promise<void>;
}

/** How long a server may take until it serves, on a busy machine. */
export const READY_TIMEOUT_MS = 90_000;
