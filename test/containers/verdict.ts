import { TallyKeeper, type Tally } from '../../drills/check/tally.ts';
import { readHistory, type HistoryEntry } from '../../drills/history/history.ts';

/**
 * How clients load a cluster in containers: with few requests, for a machine that runs all of it, and patiently: there an answer may be
 * late, and how late is what the drills measure. Not to be served is the failure.
 */
export const CLIENTS = { rate: 20, timeoutMs: 20_000 };

const MAX_COMPLAINTS = 20;

/** What clients saw; `complaints` are the first requests that were not served, one a line. */
export type Verdict = Tally & { readonly complaints: string };

/** How many shortens failed, how many were refused, and how many redirects did not lead to their target. */
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

/** What a client that was not served would say of it. */
function complaintsOf(entry: HistoryEntry): string[] {
  if (entry.op !== 'shorten' && entry.op !== 'redirect') return [];
  const { op, at, ms, outcome, via, status, reason } = entry;
  if (outcome === 'acked' || outcome === 'right') return [];
  const answer = reason ?? status ?? 'no answer';
  return [`${op} at ${Math.round(at)} ms: ${outcome} after ${Math.round(ms)} ms (${answer}, via ${via})`];
}
