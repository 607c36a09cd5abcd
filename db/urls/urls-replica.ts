import { TargetReader } from './link-targets.ts';
import { openMysql, type Mysql } from '../mysql/mysql.ts';
import { toReplication, type Replication } from './replication.ts';
import { checkSchema } from '../mysql/schema-version.ts';
import { verifyReplicaSlots } from './slots.ts';
import { MismatchError, StoreRefusedError, StoreUnavailableError } from '../store-errors.ts';

/**
 * A copy of a urls database that MySQL's replication keeps up to date, more or less. Nothing is ever written there, and that a link is
 * absent there says nothing.
 *
 * Reads throw StoreUnavailableError; they may be repeated.
 */
export interface UrlsReplica {
  readonly name: string;
  /**
   * Compares the slots that it has copied with those of its server. To be called before it is used.
   * @throws MismatchError when it is a copy of another server; StoreUnavailableError while its tables are not there, or not this program's
   */
  verify(): Promise<void>;
  /** How it is fed; undefined: it does not say, or not to us. */
  replication(): Promise<Replication | undefined>;
  /** It holds a connection of its own. */
  createTargetReader(): TargetReader;
  /** Opens every connection beforehand. @throws StoreUnavailableError */
  warmUp(): Promise<void>;
  close(): Promise<void>;
}

export interface UrlsReplicaOptions {
  readonly name: string;
  readonly url: string;
  /** Whose copy it is, and the slots of that one. */
  readonly server: { readonly name: string; readonly slots: readonly number[] };
}

/** Two target readers, the poll, and one connection that is being replaced. */
const CONNECTIONS = 4;
const CONNECT_TIMEOUT_MS = 750;
const STATUS_TIMEOUT_MS = 750;

/** Connects when first used. */
export function openUrlsReplica(options: UrlsReplicaOptions): UrlsReplica {
  return new MysqlUrlsReplica(options);
}

class MysqlUrlsReplica implements UrlsReplica {
  readonly name: string;
  readonly #server: UrlsReplicaOptions['server'];
  readonly #db: Mysql;

  constructor({ name, url, server }: UrlsReplicaOptions) {
    this.name = name;
    this.#server = server;
    this.#db = openMysql(url, { name, connections: CONNECTIONS, connectTimeoutMs: CONNECT_TIMEOUT_MS });
  }

  async verify(): Promise<void> {
    try {
      await checkSchema(this.#db, 'urls');
    } catch (error) {
      // A replica that is being made, or that has not heard of a migration yet: no contradiction, it will come.
      if (error instanceof MismatchError) throw new StoreUnavailableError(this.name, error.message, error);
      throw error;
    }
    await verifyReplicaSlots(this.#db, this.#server.slots, this.#server.name);
  }

  async replication(): Promise<Replication | undefined> {
    try {
      return toReplication(await this.#db.query('SHOW REPLICA STATUS', [], { timeoutMs: STATUS_TIMEOUT_MS }));
    } catch (error) {
      if (error instanceof StoreRefusedError) return undefined;
      throw error;
    }
  }

  createTargetReader(): TargetReader {
    return new TargetReader(this.#db);
  }

  async warmUp(): Promise<void> {
    await this.#db.warmUp();
  }

  async close(): Promise<void> {
    await this.#db.close();
  }
}
