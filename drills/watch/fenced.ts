import type { DrillCluster } from '../stage/cluster.ts';
import { logFromNow } from './log-tail.ts';

/** Counts, whenever it is called, how many reigns have ended since now because a store refused their epoch, as the producers log it. */
export function countFencedFromNow({ file, runDir }: DrillCluster): () => number {
  const logs = file.producers.map(({ id }) => logFromNow(runDir.logOf(id)));
  return () => logs.reduce((sum, read) => sum + read().split('"end":"fenced"').length - 1, 0);
}
