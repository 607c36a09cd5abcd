import type { DrillCluster } from '../cluster/drill-cluster.ts';
import { logFromNow } from './log-tail.ts';

/** Returns a function that counts, from the logs, the reigns whose epoch a store has refused since. */
export function countFencedFromNow({ file, runDir }: DrillCluster): () => number {
  const logs = file.producers.map(({ id }) => logFromNow(runDir.logOf(id)));
  return () => logs.reduce((sum, read) => sum + read().split('"end":"fenced"').length - 1, 0);
}
