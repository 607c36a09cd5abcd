import { messageOf } from '../runtime/errors.ts';
import type { ProgressLog } from '../scripts/cluster/progress-log.ts';
import type { RunDir } from '../scripts/cluster/run-dir.ts';
import type { Drill, DrillReport } from './drill.ts';
import { hasFaketime } from './faults/machine.ts';
import { runDrill, unplayedReport, type DrillOptions } from './run-drill.ts';
import { Venue } from './stage/venue.ts';

/**
 * Plays drills one after another, and tells of each report at once. One that cannot be played is a failure with its reason, and the next goes on.
 * @throws the reason of `signal`, once everything is healed and what was started is down
 */
export async function playAll(
  drills: readonly Drill[],
  options: DrillOptions,
  runDir: RunDir,
  progress: ProgressLog,
  signal: AbortSignal,
  onReport: (report: DrillReport) => void,
): Promise<DrillReport[]> {
  await using venue = new Venue(runDir, progress, signal);
  const reports: DrillReport[] = [];
  for (const [index, drill] of drills.entries()) {
    signal.throwIfAborted();
    if (drills.length > 1) progress.line(`drill ${index + 1} of ${drills.length}: ${drill.name}`);
    const report = await playOne(drill, options, venue, progress, signal);
    if (drills.length > 1)
      progress.line(`${drill.name}: ${report.passed ? 'passed' : `FAILED: ${report.violations.join('; ')}`}`);
    reports.push(report);
    onReport(report);
  }
  return reports;
}

async function playOne(
  drill: Drill,
  options: DrillOptions,
  venue: Venue,
  progress: ProgressLog,
  signal: AbortSignal,
): Promise<DrillReport> {
  const missing = whatIsMissing(drill);
  if (missing !== undefined) return unplayedReport(drill, options, missing);
  try {
    const report = await runDrill(drill, options, await venue.for(drill), progress, signal);
    if (drill.wears === true || !report.passed) await venue.discard();
    return report;
  } catch (error) {
    signal.throwIfAborted();
    await venue.discard();
    return unplayedReport(drill, options, messageOf(error));
  }
}

/** What the machine lacks for this drill, and the command that helps. */
function whatIsMissing({ name, needs }: Drill): string | undefined {
  if (needs.includes('faketime') && !hasFaketime())
    return 'libfaketime is missing: sudo apt-get install libfaketime';
  if (needs.includes('root') && process.getuid?.() !== 0)
    return `mounting a small disk needs root: sudo ./scripts/keymill drill ${name}`;
  return undefined;
}
