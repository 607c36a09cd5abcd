/*
 * What a dashboard shows: plain data, which sources read and the page draws. Times are ISO 8601 UTC, or
 * milliseconds since 1970 where the name ends in `Ms`.
 */

/** What does not change while a process runs. */
export interface Facts {
  /** Of the process that shows the page. */
  readonly id: string;
  readonly kind: 'producer' | 'mapper';
  readonly shards: readonly string[];
  readonly pools: readonly string[];
  /** `slots` as in `KEYMILL_URLS_DBS`, such as `0-15`. */
  readonly urlsDbs: readonly { readonly name: string; readonly slots: string }[];
  /** False in a small cluster. */
  readonly hasZooKeeper: boolean;
  readonly keySource: 'pools' | 'counter';
}

/** Who holds a shard. A free one has nulls; the owner of a lock that is not ours is `foreign`. */
export interface LockSeen {
  readonly shard: string;
  readonly owner: string | null;
  readonly pid: number | null;
  readonly since: string | null;
  readonly epoch: number | null;
}

export interface ProducerSeen {
  readonly id: string;
  readonly workerPid: number | null;
  readonly supervisorPid: number | null;
  /** 0 while it is drained. */
  readonly capacity: number;
  readonly drained: boolean;
  readonly shards: readonly string[];
}

/** Where a member is asked for its report. */
export interface MemberAddress {
  readonly id: string;
  readonly kind: 'producer' | 'mapper';
  /** Null: it announces none. */
  readonly admin: string | null;
  readonly host: string | null;
}

/** A sentence that only a person can make untrue, about one or more parts of the cluster. */
export interface Alarm {
  readonly parts: readonly string[];
  readonly sentence: string;
}

/** The cluster as ZooKeeper shows it. */
export interface ClusterSeen {
  /** Why ZooKeeper does not answer. What else stands here is then what it said last. */
  readonly problem: string | null;
  /** Null: it has none, because it is new or was wiped. */
  readonly ensemble: string | null;
  /** One for each configured shard, in order. */
  readonly locks: readonly LockSeen[];
  readonly producers: readonly ProducerSeen[];
  readonly mappers: readonly { readonly id: string; readonly url: string }[];
  readonly members: readonly MemberAddress[];
  /** By pool: the largest that any holder publishes. */
  readonly watermarks: ReadonlyMap<string, { readonly low: number; readonly high: number }>;
  readonly alarms: readonly Alarm[];
}

/** The mappers as Redis lists them, where there is no ZooKeeper to name them. */
export interface RegistrySeen {
  /** The name of that Redis. */
  readonly store: string;
  /** Why it does not answer. What else stands here is then what it said last. */
  readonly problem: string | null;
  readonly mappers: readonly { readonly id: string; readonly url: string }[];
  readonly members: readonly MemberAddress[];
}

/** The counter that gives keys without keys-dbs. */
export interface CounterSeen {
  /** The name of the database that keeps its mark. */
  readonly store: string;
  /** How many ids mappers have reserved. Null: the database does not answer. */
  readonly reserved: number | null;
  /** How many ids there are. */
  readonly capacity: number;
}

/** A server of the ensemble. `mode` null: it does not answer. */
export interface ZooKeeperServerSeen {
  readonly name: string;
  readonly mode: string | null;
  readonly connections: number | null;
}

export interface PoolSeen {
  readonly name: string;
  /** Null: it does not answer. */
  readonly level: number | null;
  readonly isSlow: boolean;
  /** Why it is not used although it answers. */
  readonly problem: string | null;
}

export interface KeysDbSeen {
  readonly name: string;
  /** Generated and not claimed, about. Null: it does not answer. */
  readonly unused: number | null;
  readonly claimed: number | null;
  /** The ensemble that it has recorded. Undefined: none yet, or unknown. */
  readonly ensemble: string | undefined;
}

/** Counts since the start of a process, from which rates are made. */
export interface Figures {
  /** Seconds of a clock that only goes forward. */
  readonly atS: number;
  readonly counts: Readonly<Record<FigureName, number>>;
  readonly latencies: Readonly<Record<LatencyName, readonly number[]>>;
}

export const FIGURE_NAMES = [
  'created',
  'refused',
  'failed',
  'followed',
  'notFound',
  'lost',
  'delivered',
] as const;
export type FigureName = (typeof FIGURE_NAMES)[number];

export const LATENCY_NAMES = ['shorten', 'redirect'] as const;
export type LatencyName = (typeof LATENCY_NAMES)[number];

/** Something that happened in the cluster. */
export interface TimelineEvent {
  /** Two processes that see the same event give it the same id. */
  readonly id: string;
  readonly atMs: number;
  readonly kind: EventKind;
  /** A shard or a store. */
  readonly subject: string;
  /** Of a shard: who held or holds it. Of a store: what became of it. */
  readonly what: string;
  readonly epoch: number | null;
}

export const EVENT_KINDS = ['taken', 'freed', 'ready', 'away', 'back', 'wiped', 'adopted'] as const;
export type EventKind = (typeof EVENT_KINDS)[number];

/** What a process says about itself when a dashboard asks it: `GET /dashboard/report`. */
export interface Report {
  readonly isReady: boolean;
  /** Stores that it cannot use now, as its `/readyz` names them. */
  readonly unusable: readonly string[];
  readonly figures: Figures;
  /** What it has seen happen, or only what is new to the asker. */
  readonly events: readonly TimelineEvent[];
  /** Sent back with the next question: then `events` are those that came later. */
  readonly mark: string;
  /** Keys by counter that it holds and has not used, about. Null: it has no counter, or cannot say. */
  readonly held: number | null;
  /** Keys per second that leave all pools, as a holder measures it. Null: it holds no shard. */
  readonly drain: number | null;
}

/** A member with the figures of its last reports. */
export interface MemberSeen {
  readonly id: string;
  readonly kind: 'producer' | 'mapper';
  /** Why it has not answered; null when it has. */
  readonly problem: string | null;
  readonly isReady: boolean;
  readonly unusable: readonly string[];
  readonly drain: number | null;
  readonly held: number | null;
  /** Undefined until it was asked twice. */
  readonly rates: Rates | undefined;
}

/** Of the last seconds. */
export interface Rates {
  /** Per second. */
  readonly perSecond: Readonly<Record<FigureName, number>>;
  /** Observations by bucket, of the bounds of the metrics. */
  readonly latencies: Readonly<Record<LatencyName, readonly number[]>>;
}

/** Everything that a dashboard has read. A part that was not read yet is undefined. */
export interface Seen {
  readonly cluster?: ClusterSeen;
  readonly zookeeper?: readonly ZooKeeperServerSeen[];
  readonly pools?: readonly PoolSeen[];
  readonly keysDbs?: readonly KeysDbSeen[];
  readonly storeAlarms?: readonly Alarm[];
  readonly members?: readonly MemberSeen[];
  readonly registry?: RegistrySeen;
  readonly counter?: CounterSeen;
}
