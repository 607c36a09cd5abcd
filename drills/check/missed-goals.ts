import type { DrillReport } from '../report.ts';
import { QUICK_MS, type Goals } from './goals.ts';
import type { SlotsTally } from './slots.ts';
import type { FaultTally } from './windows.ts';

type Figures = Pick<
  DrillReport,
  | 'failed'
  | 'refused'
  | 'unknown'
  | 'redirectsFailed'
  | 'unownedMs'
  | 'deadMs'
  | 'parts'
  | 'unavailableMs'
  | 'backMs'
  | 'stranded'
  | 'during'
  | 'images'
>;

/** One sentence with both numbers for each goal that the figures miss. */
export function missedGoals(goals: Goals, figures: Figures, tally: FaultTally, slots: SlotsTally): string[] {
  const missed: string[] = [];
  const atMost = (what: string, value: number, bound: number | undefined, unit = ''): void => {
    if (bound !== undefined && value > bound)
      missed.push(`${what}: ${round(value)}${unit}, at most ${bound}${unit} allowed`);
  };
  const atLeast = (what: string, value: number, bound: number | undefined): void => {
    if (bound !== undefined && value < bound)
      missed.push(`${what}: ${(value * 100).toFixed(2)} %, at least ${bound * 100} % needed`);
  };
  const { failed, refused, unknown, during, stranded } = figures;
  atMost('shortens that failed', failed + refused + unknown, goals.failedShortens);
  atMost('redirects that failed', figures.redirectsFailed, goals.failedRedirects);
  const wholes = figures.parts.length > 0 ? figures.parts : [{ ...figures, name: '' }];
  for (const { name, unownedMs, deadMs } of wholes) {
    const where = name === '' ? '' : ` (${name})`;
    atMost(`median time unowned${where}`, unownedMs.p50, goals.unownedP50Ms, ' ms');
    atMost(`longest time unowned${where}`, unownedMs.max, goals.unownedMaxMs, ' ms');
    atMost(`longest time from the fault to the next holder${where}`, deadMs.max, goals.deadMaxMs, ' ms');
  }
  atMost('longest time without an acknowledgement', figures.unavailableMs, goals.unavailableMs, ' ms');
  atMost('time until shortens were acknowledged again', figures.backMs ?? 0, goals.backWithinMs, ' ms');
  atLeast('shortens acknowledged during the fault', during.ackedShare, goals.ackedShare);
  atLeast('redirects that succeeded during the fault', during.redirectShare, goals.redirectShare);
  atMost('loss of the acknowledged share from beginning to end of the fault', during.decay ?? 0, goals.decay);
  if (goals.refusedP99Ms !== undefined) {
    if (during.refused === 0) missed.push('no shorten was refused, so there was no fault');
    atMost('refusals, 99th percentile', during.refusedP99Ms, goals.refusedP99Ms, ' ms');
  }
  atMost('slowest refused shorten', Math.max(0, ...tally.refusedMs), goals.refusedMaxMs, ' ms');
  if (goals.redirectRefusedMs !== undefined) {
    atMost('slowest refused redirect', Math.max(0, ...slots.refusedMs), goals.redirectRefusedMs, ' ms');
    atMost('failed redirects of slots that were up', slots.elsewhere, 0);
    atMost('refused redirects that the mapper had answered before', slots.forgotten, 0);
    atMost('redirects of slots that were down, neither answered nor refused', slots.brokenOff, 0);
  }
  missed.push(...missedByImages(goals, figures));
  if (goals.strandedBounded === true)
    atMost('keys that a killed mapper took with it', stranded?.keys ?? 0, stranded?.bound ?? 0);
  if (tally.refusedWithoutRetryAfter > 0)
    missed.push(`${tally.refusedWithoutRetryAfter} answers with 503 had no Retry-After`);
  return missed;
}

function missedByImages(goals: Goals, { during, images }: Figures): string[] {
  const { redirectsSlowedBy, imageRefusedMaxMs, imagesBackWithinMs } = goals;
  const { redirectP99Ms } = during;
  const missed: string[] = [];
  const most = Math.max(QUICK_MS, (redirectP99Ms?.without ?? 0) * (redirectsSlowedBy ?? Infinity));
  if (redirectP99Ms !== undefined && redirectP99Ms.during > most)
    missed.push(
      `p99 of redirects during the fault: ${redirectP99Ms.during} ms, at most ${round(most)} ms allowed`,
    );
  if (imageRefusedMaxMs !== undefined) {
    if (images === undefined || images.refusedInFaults === 0)
      missed.push('no request for an image was refused, so there was no fault');
    else if (images.slowestRefusalMs > imageRefusedMaxMs)
      missed.push(
        `slowest refusal of an image: ${round(images.slowestRefusalMs)} ms, at most ${imageRefusedMaxMs} ms allowed`,
      );
  }
  if (imagesBackWithinMs !== undefined && (images?.backMs ?? 0) > imagesBackWithinMs)
    missed.push(
      `last refusal of an image after healing: ${round(images?.backMs ?? 0)} ms, at most ${imagesBackWithinMs} ms allowed`,
    );
  return missed;
}

function round(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}
