import type { ClusterSeen } from '../../../runtime/dashboard/seen.ts';

/** A cluster whose ZooKeeper answers, and in which nobody is. */
export const EMPTY_CLUSTER: ClusterSeen = {
  problem: null,
  ensemble: null,
  locks: [],
  producers: [],
  mappers: [],
  members: [],
  watermarks: new Map(),
  alarms: [],
};
