import { TallyKeeper, type Tally } from '../../drills/check/tally.ts';
import { readHistory, type HistoryEntry } from '../../drills/history/history.ts';

/**
 * The load on a cluster in containers: few requests with a long timeout, because one machine runs everything.
 * Here only a request without an answer is a failure; the drills measure how late answers are.
 */
export const CLIENTS = { rate: 20, timeoutMs: 20_000 };

const MAX_COMPLAINTS = 20;

/** What clients saw. `complaints` are the first requests without an answer, one a line. */
export type Verdict = Tally & { readonly complaints: string };

/** The numbers of failed shortens, of refused shortens, and of redirects without the right target. */
export function unserved({ failed, refused, redirectsFailed }: Verdict): number[] {
  return [failed, refused, redirectsFailed];
}

/** Reads the history of a load that has ended. */
export async function verdictOf(historyPath: string): Promise<Verdict> {
  const tallies = new TallyKeeper();
  const complaints: string[] = [];
  for await (const entry of readHistory(historyPath)) {
    tallies.add(entry);
    if (complaints.length < MAX_COMPLAINTS) complaints.push(...complaintsOf(entry));
  }
  return { ...tallies.result(), complaints: complaints.join('\n') };
}

/** A line about a request that was not served. */
function complaintsOf(entry: HistoryEntry): string[] {
  if (entry.op !== 'shorten' && entry.op !== 'redirect') return [];
  const { op, at, ms, outcome, via, status, reason } = entry;
  if (outcome === 'acked' || outcome === 'right') return [];
  const answer = reason ?? status ?? 'no answer';
  return [`${op} at ${Math.round(at)} ms: ${outcome} after ${Math.round(ms)} ms (${answer}, via ${via})`];
}
