import type { Summary } from '../import/outcome.ts';
import type { Reason } from '../import/reasons.ts';
import type { Conflict, ImportOutcome } from './stored-outcome.ts';

/** What is known of an import when all of its file is stored. */
export interface ImportSummary extends Summary {
  /** null: it has not begun. */
  readonly import_id: string | null;
  /** Links, those that were overwritten included. */
  readonly stored: number;
  readonly overwritten: number;
}

const CONFLICTS: ReadonlySet<Reason> = new Set<Conflict>(['taken-code', 'deleted-link', 'blocked-link']);

/** Counts what became of the records of an import. */
export class ImportTally {
  readonly #importId: string | null;
  readonly #refused = new Map<Reason, number>();
  #stored = 0;
  #overwritten = 0;
  #records = 0;

  constructor(importId: string | null) {
    this.#importId = importId;
  }

  /** The number of the last record that was counted. */
  get records(): number {
    return this.#records;
  }

  get stored(): number {
    return this.#stored;
  }

  get overwritten(): number {
    return this.#overwritten;
  }

  count(outcomes: readonly ImportOutcome[]): void {
    for (const outcome of outcomes) {
      this.#records = outcome.row ?? this.#records;
      if ('result' in outcome) {
        this.#stored += 1;
        if (outcome.result === 'overwritten') this.#overwritten += 1;
      } else if (CONFLICTS.has(outcome.reason))
        this.#refused.set(outcome.reason, (this.#refused.get(outcome.reason) ?? 0) + 1);
    }
  }

  /** @param summary of the reader, who does not know which codes are taken */
  complete(summary: Summary): ImportSummary {
    return {
      import_id: this.#importId,
      ...summary,
      stored: this.#stored,
      overwritten: this.#overwritten,
      refused: { ...summary.refused, ...Object.fromEntries(this.#refused) },
    };
  }
}
