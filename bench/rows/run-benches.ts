import { KeymillError } from '../../runtime/errors.ts';
import { StartError } from '../../scripts/servers/process.ts';
import type { BenchRow } from '../method/row.ts';
import { PrivateCluster } from '../world/private-cluster.ts';
import type { Bench, BenchContext } from './bench.ts';

export interface RunOptions extends Omit<BenchContext, 'privateCluster'> {
  /** Called as soon as a row is measured. */
  readonly onRow: (row: BenchRow) => void;
  /** Called for a bench that could not be measured. The others still run. */
  readonly onFailed: (name: string, error: Error) => void;
}

/**
 * Runs benches one after the other. Those that need a cluster share one. A bench that fails has no row.
 * @throws the signal's reason when it is aborted; everything that ran is gone then
 */
export async function runBenches(benches: readonly Bench[], options: RunOptions): Promise<BenchRow[]> {
  const { say, signal } = options;
  let cluster: Promise<PrivateCluster> | undefined;
  const context: BenchContext = {
    ...options,
    privateCluster: async () => {
      if (cluster === undefined) say('starting a private cluster');
      cluster ??= PrivateCluster.start(signal);
      return cluster;
    },
  };
  const rows: BenchRow[] = [];
  try {
    for (const bench of benches) {
      signal.throwIfAborted();
      try {
        const measured = await bench.run(context);
        const row = options.quick ? { ...measured, passed: false, quick: true as const } : measured;
        rows.push(row);
        options.onRow(row);
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof KeymillError || error instanceof StartError)) throw error;
        options.onFailed(bench.name, error);
      }
    }
  } finally {
    await (await cluster?.catch(() => undefined))?.[Symbol.asyncDispose]();
  }
  return rows;
}
