import type { HistoryEntry, RedirectEntry, ShortenEntry } from '../history/history.ts';
import { NO_REQUESTS } from '../report.ts';
import type { ClientCounts } from '../report.ts';
import { LostLinks } from './lost-links.ts';

/** What the clients saw. */
export interface Tally extends ClientCounts {
  /** The longest time between two acknowledgements while the load ran. */
  readonly unavailableMs: number;
  /** At most 20 sentences about breaches of what must never happen. */
  readonly violations: readonly string[];
}

/** How many breaches a check describes. */
export const MAX_SENTENCES = 20;

/** Adds up a history, entry by entry. Keeps only the acknowledged keys and their times in memory. */
export class TallyKeeper {
  readonly #links = new Map<string, number>();
  readonly #violations: string[] = [];
  readonly #counts = { ...NO_REQUESTS };
  /** Not in order: `result()` sorts them. */
  readonly #ackedAt: number[] = [];
  readonly #lostLinks: LostLinks;
  #sent = 0;

  /** @param lostLinks gets every entry before this keeper does */
  constructor(lostLinks = new LostLinks([])) {
    this.#lostLinks = lostLinks;
  }

  add(entry: HistoryEntry): void {
    if (entry.op === 'shorten') this.#addShorten(entry);
    else if (entry.op === 'redirect') this.#addRedirect(entry);
  }

  result(): Tally {
    return {
      sent: this.#sent,
      ...this.#counts,
      unavailableMs: longestGap(this.#ackedAt),
      violations: this.#violations,
    };
  }

  #addShorten({ outcome, key, n, at, ms }: ShortenEntry): void {
    this.#sent += 1;
    this.#counts[outcome] += 1;
    if (outcome !== 'acked' || key === undefined) return;
    this.#ackedAt.push(at + ms);
    const earlier = this.#links.get(key);
    if (earlier !== undefined && earlier !== n) {
      this.#counts.duplicates += 1;
      this.#report(`key ${key} was acknowledged for link ${earlier} and for link ${n}`);
    }
    this.#links.set(key, n);
  }

  #addRedirect({ outcome, key, n, via, at, ms, location, status }: RedirectEntry): void {
    this.#counts.redirects += 1;
    if (outcome === 'right') return;
    this.#counts.redirectsFailed += 1;
    const where = `at ${Math.round(at)} ms, through ${via ?? 'no mapper'}`;
    if (outcome === 'wrong') {
      this.#counts.wrongTarget += 1;
      this.#report(`${key} (link ${n}) led to ${location ?? 'nowhere'} ${where}`);
    } else if (outcome === 'lost' && !this.#lostLinks.mayBeLost(key, at + ms)) {
      this.#counts.lost += 1;
      this.#report(`${key} (link ${n}) was acknowledged and answered ${status ?? 'nothing'} ${where}`);
    }
  }

  #report(sentence: string): void {
    if (this.#violations.length < MAX_SENTENCES) this.#violations.push(sentence);
  }
}

/** The longest time between two of these times, which may be in any order. 0 if there are fewer than two. */
function longestGap(times: readonly number[]): number {
  const sorted = Float64Array.from(times).sort();
  let longest = 0;
  for (let i = 1; i < sorted.length; i++)
    longest = Math.max(longest, (sorted[i] ?? 0) - (sorted[i - 1] ?? 0));
  return longest;
}
