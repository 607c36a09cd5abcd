import type { Outcome } from '../import/outcome.ts';
import type { ImportOutcome } from './stored-outcome.ts';

/** What an import stores at a time. A change of this number would make other batches of the same file. */
export const RECORDS_IN_BATCH = 1_000;

/** The records of a file in batches. What concerns the file as a whole is a batch of its own. */
export async function* batchesOf(
  outcomes: AsyncIterable<readonly Outcome[]>,
): AsyncGenerator<readonly Outcome[]> {
  let gathered: Outcome[] = [];
  for await (const some of outcomes)
    for (const outcome of some) {
      const [first] = gathered;
      if (first !== undefined && batchOf(first) !== batchOf(outcome)) {
        yield gathered;
        gathered = [];
      }
      gathered.push(outcome);
    }
  if (gathered.length > 0) yield gathered;
}

/** undefined: it concerns the file as a whole. */
export function batchOf({ row }: Outcome): number | undefined {
  return row === null ? undefined : Math.floor((row - 1) / RECORDS_IN_BATCH);
}

/** Puts what became of the links of a batch back into their places among its other records. */
export function inOrder(records: readonly Outcome[], stored: readonly ImportOutcome[]): ImportOutcome[] {
  let next = 0;
  return records.map((record) => ('link' in record ? (stored[next++] as ImportOutcome) : record));
}
