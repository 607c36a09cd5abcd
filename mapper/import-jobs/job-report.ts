import type { ImportJob } from '../../db/accounts/import-job.ts';
import { slotOf } from '../../db/keyspace/placement.ts';
import { slotOfImport } from '../../db/imports/imports-db.ts';
import type { Outcome, TakenLink } from '../import/outcome.ts';
import { faultOf } from '../import/reasons.ts';
import { keyIn, keysOfBatch, parseKeys, placeOf, type BatchKeys } from './batch-keys.ts';
import { batchesOf, inOrder } from './batches.ts';
import { parseOptions, parseProgress, type JobTools } from './job.ts';
import { requestIdOf } from './import-identity.ts';
import { slicesOf } from './job-file.ts';
import { serverAt } from './ports.ts';
import { parseOutcome, toOutcomes, type BatchOutcome, type ImportOutcome } from './stored-outcome.ts';

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
  const begun = await imports.findBegun(importId);
  if (begun === undefined) return;
  const reader = tools.createReader(options, { nowMs: begun.begunAt.getTime() });
  const batches = batchesOf(reader.read(slices), begun.batchCharacters);
  for await (const { number: batch, records } of batches) {
    const links = records.filter((record): record is TakenLink => 'link' in record);
    if (batch === undefined || links.length === 0) {
      yield records;
      continue;
    }
    const stored = await imports.findBatch({ importId, batch });
    const text = stored?.outcome ?? null;
    // What is behind it is not stored yet.
    if (stored === undefined || text === null) return;
    const outcome = parseOutcome(text);
    const keys = parseKeys(stored.keys);
    const isSame = outcome.links === links.length && links.every((link) => keyIn(keys, link) !== undefined);
    const ofThen = isSame ? links : await findStored(links, { importId, keys, outcome, tools });
    const found = toOutcomes(ofThen, outcome, { keyOf: keysOfBatch(stored.keys), hasOwner: true });
    yield inOrder(records, isSame ? found : withRefused(links, found));
  }
}

/**
 * Those links of a batch that were taken when it was stored. What decides that, such as the list of blocked
 * domains, has changed since then.
 */
async function findStored(
  links: readonly TakenLink[],
  {
    importId,
    keys,
    outcome,
    tools,
  }: {
    readonly importId: string;
    readonly keys: BatchKeys;
    readonly outcome: BatchOutcome;
    readonly tools: JobTools;
  },
): Promise<TakenLink[]> {
  const { servers } = tools.ports;
  const wanted = links.flatMap((link) => keyIn(keys, link) ?? []);
  const groups = Map.groupBy(wanted, (key) => serverAt(servers, slotOf(key)));
  const holders = await Promise.all(
    Array.from(groups, async ([{ imports }, group]) => imports.findHolders(group)),
  );
  const heldBy = new Map(holders.flat().map(({ key, requestId }) => [key, requestId]));
  return links.filter((link) => {
    if (outcome.exceptions.has(placeOf(link))) return true;
    const key = keyIn(keys, link);
    return key !== undefined && heldBy.get(key) === requestIdOf(importId, link.row, link.part);
  });
}

const NOT_THEN = 'was refused when the file was imported, and would be taken now; import the file again';

/** All links of a batch in their order: what became of some, and that the others were refused. */
function withRefused(links: readonly TakenLink[], found: readonly ImportOutcome[]): ImportOutcome[] {
  let next = 0;
  return links.map((link) => {
    const outcome = found[next];
    const isOfLink =
      outcome?.row === link.row &&
      ('part' in outcome ? outcome.part === link.part : outcome.code === link.link.code);
    if (outcome !== undefined && isOfLink) {
      next += 1;
      return outcome;
    }
    const { line, row, link: refused } = link;
    return { line, row, code: refused.code, ...faultOf('bad-target', null, `the link ${NOT_THEN}`) };
  });
}
