import type { BenchRow } from '../method/row.ts';
import type { BenchRun } from '../method/bench-run.ts';
import type { PrivateCluster } from '../world/private-cluster.ts';

/** What every bench is given. */
export interface BenchContext extends BenchRun {
  /** One cluster for all benches of this run, started when first asked for. */
  readonly privateCluster: () => Promise<PrivateCluster>;
  /** Server on CPU 0, load on CPU 1, where the stores are not asked. */
  readonly pin: boolean;
}

export interface Bench {
  readonly name: string;
  readonly does: string;
  /** Takes minutes, so it only runs when asked for. */
  readonly long: boolean;
  run(context: BenchContext): Promise<BenchRow>;
}
