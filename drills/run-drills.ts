import { messageOf } from '../runtime/errors.ts';
import type { RunDir } from '../scripts/cluster/run-dir.ts';
import { ClusterProvider } from './cluster/cluster-provider.ts';
import type { ClusterKind } from './cluster/private-cluster.ts';
import { hasFaketime } from './faults/clock.ts';
import { notRunReport, type DrillReport } from './report.ts';
import { runDrill, type DrillOptions } from './run-drill.ts';
import { USUAL_RATE, type Drill } from './run/drill.ts';

export interface DrillsOptions extends Omit<DrillOptions, 'rate'> {
  /** Shortens a second. Undefined: each drill has its own number. */
  readonly rate: number | undefined;
}

/**
 * Runs drills one after another and hands each report to `onReport`. A drill that cannot run is reported as
 * failed with the reason, and the next one follows.
 * @throws the reason of `signal` when it is aborted, after all faults are healed and the private cluster is
 *   down
 */
export async function runDrills(
  drills: readonly Drill[],
  runDir: RunDir,
  options: DrillsOptions,
  onReport: (report: DrillReport) => void,
): Promise<DrillReport[]> {
  const { progress, signal } = options;
  await using clusters = new ClusterProvider(runDir, progress, signal);
  const reports: DrillReport[] = [];
  for (const [index, drill] of drills.entries()) {
    signal.throwIfAborted();
    if (drills.length > 1) progress.line(`drill ${index + 1} of ${drills.length}: ${drill.name}`);
    const report = await runOne(drill, clusters, options);
    if (drills.length > 1)
      progress.line(`${drill.name}: ${report.passed ? 'passed' : `FAILED: ${report.violations.join('; ')}`}`);
    reports.push(report);
    onReport(report);
  }
  return reports;
}

async function runOne(drill: Drill, clusters: ClusterProvider, options: DrillsOptions): Promise<DrillReport> {
  const rate = options.rate ?? drill.rate ?? USUAL_RATE;
  const planned = { ...options, name: drill.name, rounds: options.rounds ?? drill.rounds, rate };
  const missing = findMissing(drill);
  if (missing !== undefined) return notRunReport(planned, missing);
  try {
    const cluster = await clusters.provide(kindFor(drill));
    const report = await runDrill(drill, cluster, { ...options, rate });
    if (drill.isDestructive === true || !report.passed) await clusters.discard();
    return report;
  } catch (error) {
    options.signal.throwIfAborted();
    await clusters.discard();
    return notRunReport(planned, messageOf(error));
  }
}

function kindFor({ needs, isForSmall }: Drill): ClusterKind {
  if (isForSmall === true) return 'small';
  return needs.includes('wire') ? 'faultable' : 'usual';
}

/** What this machine lacks for the drill, with the command that helps. */
function findMissing({ name, needs }: Drill): string | undefined {
  if (needs.includes('faketime') && !hasFaketime())
    return 'libfaketime is missing: sudo apt-get install libfaketime';
  if (needs.includes('root') && process.getuid?.() !== 0)
    return `only root may mount a small disk: sudo ./scripts/keymill drill ${name}`;
  return undefined;
}
