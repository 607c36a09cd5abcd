/** Every znode path of the system, below the chroot of the connect string: docs/contract.md, "ZooKeeper". */
export const PATHS = {
  /** Ephemeral locks, one for each keys-db, and nothing else. */
  locks: '/shard-locks',
  producers: '/producers',
  mappers: '/mappers',
  /** Persistent marks of the producers that shall hold no shard. */
  drained: '/keymill/drained',
  /** Random id of this ensemble, also stored in every keys-db. It reveals a ZooKeeper that was wiped. */
  ensemble: '/keymill/ensemble',
  /** Never exists. Deleting it is the heartbeat: a write through the quorum that changes nothing. */
  heartbeat: '/keymill/heartbeat',
} as const;

export function lockPath(shard: string): string {
  return `${PATHS.locks}/${shard}`;
}

export function producerPath(id: string): string {
  return `${PATHS.producers}/${id}`;
}

export function drainedPath(id: string): string {
  return `${PATHS.drained}/${id}`;
}

export function mapperPath(id: string): string {
  return `${PATHS.mappers}/${id}`;
}
