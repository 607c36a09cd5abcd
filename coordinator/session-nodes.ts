import type { Connection } from './connection.ts';
import { isCoordinationError } from './errors.ts';
import type { Node, NodeStat } from './transport.ts';

/**
 * What a session can do with nodes. Everything needs the state `connected`: otherwise NOT_CONNECTED is thrown at once and
 * nothing was sent. Everything answers within 2/3 T, with OUTCOME_UNKNOWN if the ensemble did not.
 */
export abstract class SessionNodes {
  /** @throws NODE_EXISTS; NO_NODE if the parent is missing; OUTCOME_UNKNOWN: it may exist now or later, read it */
  async create(path: string, data: string, { ephemeral }: { ephemeral: boolean }): Promise<void> {
    await this.connectionFor(path).create(path, data, ephemeral, this.operationMs);
  }

  /** The node, or undefined if there is none. `onChange` is called once, at the next change, creation included. */
  async get(path: string, onChange?: () => void): Promise<Node | undefined> {
    return this.connectionFor(path).get(path, this.operationMs, onChange);
  }

  /** Like {@link get} without the data. */
  async exists(path: string, onChange?: () => void): Promise<NodeStat | undefined> {
    return this.connectionFor(path).exists(path, this.operationMs, onChange);
  }

  /** Names below `path`. `onChange` is called once when one comes or goes. @throws NO_NODE */
  async children(path: string, onChange?: () => void): Promise<string[]> {
    return this.connectionFor(path).children(path, this.operationMs, onChange);
  }

  /** Beware: the version alone is true of a successor's node too; compare czxid and owner first. @throws NO_NODE, BAD_VERSION */
  async set(path: string, data: string, version: number): Promise<void> {
    await this.connectionFor(path).set(path, data, version, this.operationMs);
  }

  /** Beware, as with {@link set}. @throws NO_NODE, BAD_VERSION, NOT_EMPTY */
  async remove(path: string, version: number): Promise<void> {
    await this.connectionFor(path).remove(path, version, this.operationMs);
  }

  /** Creates `path` and what is missing above it, persistent and empty. */
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

  /** An answer later than this is none: the heartbeat behind it would be too late as well. */
  protected abstract get operationMs(): number;
}
