import type { Outcome } from '../import/outcome.ts';
import type { ImportOutcome } from './stored-outcome.ts';

/** What an import stores at a time. A change of this number would make other batches of the same file. */
export const LINKS_IN_BATCH = 1_000;

/** Some successive records of a file. */
export interface Batch {
  /** From 0. undefined: what concerns the file as a whole, and is stored nowhere. */
  readonly number: number | undefined;
  readonly records: readonly Outcome[];
}

/**
 * The records of a file in batches, each a little longer if its last record has several links. Refused links
 * count too: which of them are taken may change, and the batches must not.
 */
export async function* batchesOf(outcomes: AsyncIterable<readonly Outcome[]>): AsyncGenerator<Batch> {
  let number = 0;
  let records: Outcome[] = [];
  for await (const some of outcomes)
    for (const outcome of some) {
      const last = records.at(-1);
      const isFull = records.length >= LINKS_IN_BATCH && last?.row !== outcome.row;
      if (last !== undefined && (isFull || outcome.row === null)) {
        yield { number, records };
        number += 1;
        records = [];
      }
      if (outcome.row === null) yield { number: undefined, records: [outcome] };
      else records.push(outcome);
    }
  if (records.length > 0) yield { number, records };
}

/** Puts what became of the links of a batch back into their places among its other records. */
export function inOrder(records: readonly Outcome[], stored: readonly ImportOutcome[]): ImportOutcome[] {
  let next = 0;
  return records.map((record) => ('link' in record ? (stored[next++] as ImportOutcome) : record));
}
