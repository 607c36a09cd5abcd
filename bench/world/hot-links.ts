import type { Requests } from '../load/wrk.ts';
import type { BenchRun } from '../method/bench-run.ts';
import type { PrivateCluster } from './private-cluster.ts';

const LINKS = 1_000;

/** Few links, which every mapper has in memory after the first window. */
export interface HotLinks {
  readonly count: number;
  readonly paths: readonly string[];
  /** All of them, again and again. */
  readonly requests: () => Requests;
}

export async function hotLinks(cluster: PrivateCluster, context: BenchRun): Promise<HotLinks> {
  await cluster.links.fill(LINKS, context);
  const file = await cluster.links.writeKeys(Int32Array.from({ length: LINKS }, (_, i) => i));
  return {
    count: LINKS,
    paths: cluster.links.keys(0, LINKS).map((key) => `/${key}`),
    requests: () => ({ kind: 'keys', file, offset: 0, count: LINKS }),
  };
}
