import type { BenchRun } from '../method/bench-run.ts';
import type { BenchRow } from '../method/row.ts';
import type { PrivateCluster } from '../world/private-cluster.ts';

/** What every bench gets. */
export interface BenchContext extends BenchRun {
  /** One cluster for all benches of this run, started at the first call. */
  readonly privateCluster: () => Promise<PrivateCluster>;
  /** Binds the server to CPU 0 and the load to CPU 1 in rows that use no store. */
  readonly pin: boolean;
}

export interface Bench {
  readonly name: string;
  readonly does: string;
  /** Takes minutes, so it runs only by name or with `--long`. */
  readonly long: boolean;
  run(context: BenchContext): Promise<BenchRow>;
}
