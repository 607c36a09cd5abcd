/**
 * The servers that tests need. They are local child processes (`local.ts`) or containers (`containers.ts`).
 * Tests of a store, not of its process, get their servers here and break them by the methods of {@link
 * Server}. `contract.test.ts` checks both implementations.
 */
export interface Services {
  /** Unless `durable`, the server trades durability for speed. */
  startMysql(options: { readonly id: string; readonly durable?: boolean } & Cuttable): Promise<MysqlServer>;
  startRedis(options: { readonly id: string; readonly databases?: number } & Cuttable): Promise<RedisServer>;
  /** Resolves when every server serves. */
  startZooKeeper(options: { readonly id: string; readonly servers?: number } & Cuttable): Promise<Ensemble>;
  /** Stops all servers that still run, and deletes their data. */
  close(): Promise<void>;
}

interface Cuttable {
  /** Makes `disconnect` possible: a local server then gets a proxy in front of it. */
  readonly cuttable?: boolean;
}

/** One server that a test may break. Its address never changes. */
export interface Server {
  readonly id: string;
  readonly host: string;
  readonly port: number;
  /** Like a crash: it writes nothing more. Resolves when the process has ended. */
  kill(): Promise<void>;
  /** Starts a killed server, with its data unless they are `wiped`. Resolves when it serves. */
  restart(options?: { readonly wiped?: boolean }): Promise<void>;
  /** Stops all of its work. Its connections stay open. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Like an unplugged cable: packets to it get no answer, not even a reset. */
  disconnect(): Promise<void>;
  connect(): Promise<void>;
  /** Its output so far. */
  log(): Promise<string>;
  /** Ends it for good, in any state. May be called twice. */
  stop(): Promise<void>;
}

export interface MysqlServer extends Server {
  /** The URL of a database, which need not exist, with a user that has all rights. */
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

/** How long a server may take to start on a busy machine. */
export const READY_TIMEOUT_MS = 90_000;
