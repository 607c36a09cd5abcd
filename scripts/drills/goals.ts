import type { FaultTally } from './check/windows.ts';
import type { DrillReport, Goals } from './drill.ts';

type Figures = Pick<
  DrillReport,
  | 'failed'
  | 'refused'
  | 'unknown'
  | 'redirectsFailed'
  | 'unownedMs'
  | 'deadMs'
  | 'unavailableMs'
  | 'backMs'
  | 'during'
>;

/** The goals that these figures miss, each as a sentence with both numbers. */
export function missedGoals(goals: Goals, figures: Figures, tally: FaultTally): string[] {
  const missed: string[] = [];
  const atMost = (what: string, value: number, bound: number | undefined, unit = ''): void => {
    if (bound !== undefined && value > bound)
      missed.push(`${what}: ${round(value)}${unit}, at most ${bound}${unit} allowed`);
  };
  const atLeast = (what: string, value: number, bound: number | undefined): void => {
    if (bound !== undefined && value < bound)
      missed.push(`${what}: ${(value * 100).toFixed(2)} %, at least ${bound * 100} % needed`);
  };
  const { failed, refused, unknown, unownedMs, deadMs, during } = figures;
  atMost('shortens without success', failed + refused + unknown, goals.failedShortens);
  atMost('redirects without success', figures.redirectsFailed, goals.failedRedirects);
  atMost('median time unowned', unownedMs.p50, goals.unownedP50Ms, ' ms');
  atMost('longest time unowned', unownedMs.max, goals.unownedMaxMs, ' ms');
  atMost('longest time from the fault to the next holder', deadMs.max, goals.deadMaxMs, ' ms');
  atMost('longest time without an acknowledgement', figures.unavailableMs, goals.unavailableMs, ' ms');
  atMost('time until shortens were acknowledged again', figures.backMs ?? 0, goals.backWithinMs, ' ms');
  atLeast('shortens acknowledged during the fault', during.ackedShare, goals.ackedShare);
  atLeast('redirects during the fault', during.redirectShare, goals.redirectShare);
  atMost('refusals, 99th percentile', during.refusedP99Ms, goals.refusedP99Ms, ' ms');
  atMost(
    'slowest refused redirect',
    Math.max(0, ...tally.redirectsRefusedMs),
    goals.redirectRefusedMaxMs,
    ' ms',
  );
  if (tally.refusedWithoutRetryAfter > 0)
    missed.push(`${tally.refusedWithoutRetryAfter} answers 503 came without Retry-After`);
  return missed;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
