import { flat } from '../../runtime/flat-text.ts';
import type { Fault, Reason } from './reasons.ts';

/** Names of fields and domains that are counted. A file could invent new ones in every record. */
const MAX_NAMES = 200;

/** Counts what became of the records of a file. */
export class ReadingTally {
  records = 0;
  taken = 0;
  readonly notes: string[] = [];
  readonly #refused = new Map<Reason, number>();
  readonly #leftOut = new Map<string, number>();
  readonly #domains = new Map<string, number>();

  /** Counts a refusal, and returns it. */
  refuse<Refusal extends Fault>(refusal: Refusal): Refusal {
    this.#refused.set(refusal.reason, (this.#refused.get(refusal.reason) ?? 0) + 1);
    return refusal;
  }

  take(domain: string | undefined): void {
    this.taken += 1;
    if (domain !== undefined) count(this.#domains, domain);
  }

  /** Counts fields of a record that was taken without them. */
  leaveOut(names: readonly string[]): void {
    for (const name of names) count(this.#leftOut, name);
  }

  /** A link has no domain here, so two links of a file may have one code. */
  noteDomains(): void {
    if (this.#domains.size < 2) return;
    const domains = Array.from(this.#domains, ([domain, links]) => `${domain} ${links}`).join(', ');
    this.notes.push(`links of several domains are taken (${domains}); --domain takes those of one`);
  }

  get refused(): Readonly<Partial<Record<Reason, number>>> {
    return Object.fromEntries(this.#refused);
  }

  get leftOut(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#leftOut);
  }
}

function count(counts: Map<string, number>, name: string): void {
  const counted = counts.get(name);
  if (counted !== undefined || counts.size < MAX_NAMES) counts.set(flat(name), (counted ?? 0) + 1);
}
