import type { ImportJob } from '../../db/accounts/import-jobs.ts';
import { slotOfImport } from '../../db/imports/imports-db.ts';
import type { Outcome, TakenLink } from '../import/outcome.ts';
import { keysOfBatch } from './batch-keys.ts';
import { batchesOf, inOrder } from './batches.ts';
import { parseOptions, parseProgress, type JobTools } from './job.ts';
import { slicesOf } from './job-file.ts';
import { serverAt } from './ports.ts';
import { parseOutcome, toOutcomes, type ImportOutcome } from './stored-outcome.ts';

/**
 * What has become of each record of an uploaded file, as far as it is known: the file is read again, and what
 * is remembered of each batch is added. Of a dry run, what would be taken.
 * @throws Problem 503, StoreUnavailableError; the reason of the signal
 */
export async function* reportOf(
  job: ImportJob,
  tools: JobTools,
  signal: AbortSignal,
): AsyncGenerator<readonly (Outcome | ImportOutcome)[]> {
  const options = parseOptions(job.options);
  const { importId } = parseProgress(job.progress);
  const slices = slicesOf(job, { ask: tools.ask, onSlice: async () => undefined, signal });
  if (options.isDryRun || importId === null) {
    const reader = tools.createReader(options, { nowMs: job.createdAt.getTime() });
    // Of a file that could not be read to its end, the faults say why.
    const isWanted = (outcome: Outcome): boolean => options.isDryRun || 'reason' in outcome;
    for await (const outcomes of reader.read(slices)) yield outcomes.filter(isWanted);
    return;
  }
  const { imports } = serverAt(tools.ports.servers, slotOfImport(importId));
  const begunAt = await imports.begin(importId, new Date());
  const reader = tools.createReader(options, { nowMs: begunAt.getTime() });
  for await (const { number: batch, records } of batchesOf(reader.read(slices))) {
    const links = records.filter((record): record is TakenLink => 'link' in record);
    if (batch === undefined || links.length === 0) {
      yield records;
      continue;
    }
    const stored = await imports.findBatch({ importId, batch });
    const text = stored?.outcome ?? null;
    // What is behind it is not stored yet.
    if (stored === undefined || text === null) return;
    const keyOf = keysOfBatch(stored.keys);
    yield inOrder(records, toOutcomes(links, parseOutcome(text), { keyOf, hasOwner: true }));
  }
}
