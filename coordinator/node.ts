/** A node as the ensemble has it, and one that is to be created. */

export interface NodeStat {
  /** The transaction that created the node. It distinguishes the node from a successor at the same path. */
  readonly czxid: bigint;
  /** 16 hex digits of the owning session; zeros for a persistent node. */
  readonly ephemeralOwner: string;
  readonly version: number;
}

export interface Node {
  readonly data: string;
  readonly stat: NodeStat;
}

export interface NewNode {
  readonly path: string;
  readonly data: string;
  readonly isEphemeral: boolean;
  /** Whether everybody may change the node, although we have credentials. */
  readonly isShared?: boolean;
}
