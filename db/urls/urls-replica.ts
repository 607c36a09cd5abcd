import type { KeyspaceIdentity } from '../../runtime/config/keyspace-identity.ts';
import type { Log } from '../../runtime/log.ts';
import { openMysql, type Mysql } from '../mysql/mysql.ts';
import { checkSchema, logCompatible } from '../mysql/schema-version.ts';
import { MismatchError, StoreRefusedError, StoreUnavailableError } from '../store-errors.ts';
import { verifyKeyspace } from './keyspace-record.ts';
import { TargetReader } from './link-targets.ts';
import { toReplication, type Replication } from './replication.ts';
import { verifyReplicaSlots } from './slots.ts';

/**
 * A copy of a urls database, which MySQL's replication keeps up to date with some delay. It is never written.
 * A link that it lacks may exist on the server.
 *
 * Reads throw StoreUnavailableError and may be repeated.
 */
export interface UrlsReplica {
  readonly name: string;
  /**
   * Compares the keyspace with ours, and the slots in the replica with those of its server. Call it before
   * any other method.
   * @throws MismatchError when it copies another server; StoreUnavailableError while its tables are missing,
   * or are not this program's
   */
  verify(): Promise<void>;
  /** The state of its replication. Undefined when it does not report one, or we may not read it. */
  replication(): Promise<Replication | undefined>;
  /** On a connection of its own. */
  createTargetReader(): TargetReader;
  /** Opens every connection beforehand. @throws StoreUnavailableError */
  warmUp(): Promise<void>;
  close(): Promise<void>;
}

export interface UrlsReplicaOptions {
  readonly name: string;
  readonly url: string;
  /** The server that it copies. */
  readonly server: { readonly name: string; readonly slots: readonly number[] };
  /** The keyspace that the replica must belong to. Without it none is compared. */
  readonly keyspace?: KeyspaceIdentity;
  readonly log: Log;
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
  readonly #keyspace: KeyspaceIdentity | undefined;
  readonly #db: Mysql;
  readonly #log: Log;

  constructor({ name, url, server, keyspace, log }: UrlsReplicaOptions) {
    this.name = name;
    this.#keyspace = keyspace;
    this.#server = server;
    this.#log = log;
    this.#db = openMysql(url, { name, connections: CONNECTIONS, connectTimeoutMs: CONNECT_TIMEOUT_MS });
  }

  async verify(): Promise<void> {
    try {
      logCompatible(this.#log, this.name, await checkSchema(this.#db, 'urls'));
    } catch (error) {
      // The replica is being created, or has not received a migration yet. This resolves itself.
      if (error instanceof MismatchError) throw new StoreUnavailableError(this.name, error.message, error);
      throw error;
    }
    if (this.#keyspace !== undefined) await verifyKeyspace(this.#db, this.#keyspace);
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
