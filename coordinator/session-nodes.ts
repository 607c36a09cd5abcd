import type { Connection } from './connection.ts';
import { isCoordinationError } from './errors.ts';
import type { Node, NodeStat } from './transport.ts';

/**
 * The operations of a session on nodes. All need the state `connected`: otherwise they throw NOT_CONNECTED
 * immediately and send nothing. All end within 2/3 T, with OUTCOME_UNKNOWN if the ensemble did not answer.
 */
export abstract class SessionNodes {
  /**
   * @throws NODE_EXISTS; NO_NODE if the parent is missing; OUTCOME_UNKNOWN: the node may exist now or later,
   *   so read it
   */
  async create(path: string, data: string, { ephemeral }: { ephemeral: boolean }): Promise<void> {
    await this.connectionFor(path).create(path, data, ephemeral, this.operationMs);
  }

  /**
   * The node, or undefined if there is none. `onChange` is called once, at the next change, creation
   * included.
   */
  async get(path: string, onChange?: () => void): Promise<Node | undefined> {
    return this.connectionFor(path).get(path, this.operationMs, onChange);
  }

  /** Like {@link get} without the data. */
  async exists(path: string, onChange?: () => void): Promise<NodeStat | undefined> {
    return this.connectionFor(path).exists(path, this.operationMs, onChange);
  }

  /** Names below `path`. `onChange` is called once, when one is created or deleted. @throws NO_NODE */
  async children(path: string, onChange?: () => void): Promise<string[]> {
    return this.connectionFor(path).children(path, this.operationMs, onChange);
  }

  /**
   * Warning: a successor's node may have the same version. Compare czxid and owner first.
   * @throws NO_NODE, BAD_VERSION
   */
  async set(path: string, data: string, version: number): Promise<void> {
    await this.connectionFor(path).set(path, data, version, this.operationMs);
  }

  /** The warning at {@link set} applies. @throws NO_NODE, BAD_VERSION, NOT_EMPTY */
  async remove(path: string, version: number): Promise<void> {
    await this.connectionFor(path).remove(path, version, this.operationMs);
  }

  /**
   * The number of a transaction that the ensemble applies now. Every node that was created before this call
   * has a lower czxid, unless the data of the ensemble was put back to an earlier state since.
   */
  async currentZxid(): Promise<bigint> {
    return this.connectionFor('current zxid').currentZxid(this.operationMs);
  }

  /** Creates `path` and its missing parents, persistent and empty. */
  async ensurePath(path: string): Promise<void> {
    const parts = path.split('/').slice(1);
    for (const [index] of parts.entries()) {
      await this.create(`/${parts.slice(0, index + 1).join('/')}`, '', { ephemeral: false }).catch(
        (error: unknown) => {
          if (!isCoordinationError(error, 'NODE_EXISTS')) throw error;
        },
      );
    }
  }

  /** The connection to use now. @throws NOT_CONNECTED */
  protected abstract connectionFor(what: string): Connection;

  /** Limit for one operation. A later answer counts as none: the heartbeat behind it would be late too. */
  protected abstract get operationMs(): number;
}
