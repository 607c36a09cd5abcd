import type { Outcome } from '../import/outcome.ts';
import type { ImportOutcome } from './stored-outcome.ts';

/** What an import stores at a time. A change of this number would make other batches of the same file. */
export const LINKS_IN_BATCH = 1_000;
/**
 * It stores less at a time of longer records, which may have 131,072 characters each. This number may change:
 * it is kept with the import.
 */
export const BATCH_CHARACTERS = 2 ** 20;

/** Some successive records of a file. */
export interface Batch {
  /** From 0. undefined: what concerns the file as a whole, and is stored nowhere. */
  readonly number: number | undefined;
  readonly records: readonly Outcome[];
}

/**
 * The records of a file in batches, each a little longer if its last record has several links. Refused links
 * count too, with the length of their record: which of them are taken may change, and the batches must not.
 * @param maxCharacters of the records of a batch, which is as long as one record if that is longer; null: any
 */
export async function* batchesOf(
  outcomes: AsyncIterable<readonly Outcome[]>,
  maxCharacters: number | null,
): AsyncGenerator<Batch> {
  let number = 0;
  let characters = 0;
  let records: Outcome[] = [];
  const hasRoomFor = (more: number): boolean =>
    records.length < LINKS_IN_BATCH && (maxCharacters === null || characters + more <= maxCharacters);
  for await (const some of outcomes)
    for (const outcome of some) {
      const last = records.at(-1);
      const length = outcome.characters ?? 0;
      const isFull = last?.row !== outcome.row && !hasRoomFor(length);
      if (last !== undefined && (isFull || outcome.row === null)) {
        yield { number, records };
        number += 1;
        records = [];
        characters = 0;
      }
      characters += length;
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
