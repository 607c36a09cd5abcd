import { createHash } from 'node:crypto';
import type { LinkReader } from '../import/link-reader.ts';
import type { Outcome, RefusedLink, Summary } from '../import/outcome.ts';

/** What is known of a file when it was read once. */
export interface Survey {
  /** SHA-256 of its bytes, 64 hex digits. */
  readonly contentHash: string;
  readonly summary: Summary;
  /** Faults of the file as a whole: what is behind them was not read. */
  readonly faults: readonly RefusedLink[];
}

/**
 * Reads a whole file before anything of it is stored, so that a wrong byte or a missing end is found in time.
 * @param reader may be one that only counts
 * @param onOutcomes called with the outcomes of each piece
 */
export async function surveyFile(
  chunks: AsyncIterable<Uint8Array>,
  reader: LinkReader,
  onOutcomes: (outcomes: readonly Outcome[]) => Promise<void> | void,
): Promise<Survey> {
  const hash = createHash('sha256');
  const faults: RefusedLink[] = [];
  for await (const outcomes of reader.read(hashing(chunks, hash))) {
    for (const outcome of outcomes) if (isOfFile(outcome)) faults.push(outcome);
    await onOutcomes(outcomes);
  }
  return { contentHash: hash.digest('hex'), summary: reader.summary, faults };
}

async function* hashing(
  chunks: AsyncIterable<Uint8Array>,
  hash: ReturnType<typeof createHash>,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    hash.update(chunk);
    yield chunk;
  }
}

/** A record that is cut off is the last one: the rest of the file is missing. */
function isOfFile(outcome: Outcome): outcome is RefusedLink {
  return 'reason' in outcome && (outcome.row === null || outcome.reason === 'cut-off');
}
