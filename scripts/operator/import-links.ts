import { CodeTakenError } from '../../mapper/import-jobs/batch-store.ts';
import { importIdOf } from '../../mapper/import-jobs/import-identity.ts';
import { beginImport, importLinks, type LinkImportOptions } from '../../mapper/import-jobs/link-import.ts';
import type { Summary } from '../../mapper/import/outcome.ts';
import type { OnConflict } from '../../mapper/import-jobs/ports.ts';
import { ImportTally } from '../../mapper/import-jobs/import-tally.ts';
import { findTakenCodes } from '../../mapper/import-jobs/taken-codes.ts';
import { NoKeysError } from '../../mapper/keys/key-supply.ts';
import { isOutage } from '../../db/store-errors.ts';
import { messageOf } from '../../runtime/errors.ts';
import { RefusedError, UnreachableError } from '../../runtime/terminal/errors.ts';
import { startProgressBar } from '../../runtime/terminal/progress-bar.ts';
import type { Terminal } from '../../runtime/terminal/terminal.ts';
import { openImportFile, type FileOptions, type ImportFile } from './import-file.ts';
import type { Report } from './import-report.ts';
import { openRenameMap } from './rename-map.ts';
import { readStoredDomains } from './sources/blocked-domains.ts';
import { findCluster, originOf, type Cluster } from './sources/find-cluster.ts';
import { openImportPorts } from './sources/import-ports.ts';
import { requireUser, withUsersDb } from './sources/users.ts';
import { watchWebhooks } from './sources/webhook-watch.ts';

export interface StoreOptions extends FileOptions {
  readonly owner?: string;
  readonly onConflict: OnConflict;
}

interface Order {
  readonly options: StoreOptions;
  readonly report: Report;
}

/** More of them make a server no faster, and the command larger. */
const BATCHES_AT_ONCE = 3;
/** How long a urls server may be away before the command gives up. */
const PATIENCE_MS = 60_000;
/** How many codes that are taken are listed when there should be none. */
const MAX_LISTED = 1_000;

/** Stores the links of a file. Sets the exit code. @throws RefusedError, UsageError, UnreachableError */
export async function storeFile(terminal: Terminal, path: string, { options, report }: Order): Promise<void> {
  const cluster = findCluster(terminal.env);
  const ownerId = await findOwner(cluster, options.owner);
  const file = await openImportFile(terminal, path, options, {
    publicUrl: originOf(terminal.env, cluster),
    storedDomains: await readStoredDomains(cluster),
  });
  await using webhooks = await watchWebhooks(cluster, ownerId);
  await using opened = await openImportPorts(cluster, webhooks.wantsEvents);
  const survey = await file.survey();
  if (survey.faults.length > 0) {
    await report.add(survey.faults);
    await report.end(new ImportTally(null).complete(survey.summary));
    throw new RefusedError(`nothing of ${path} is stored, because it cannot be read to its end`);
  }
  const importId = importIdOf({ contentHash: survey.contentHash, options: file.options, ownerId });
  const interrupt = new AbortController();
  const onInterrupt = (): void =>
    interrupt.abort(new RefusedError('stopped: the same command goes on, and makes no link twice'));
  process.once('SIGINT', onInterrupt).once('SIGTERM', onInterrupt);
  try {
    await store(terminal, {
      file,
      options,
      report,
      survey: survey.summary,
      run: {
        ports: opened.ports,
        order: {
          importId,
          ownerId,
          onConflict: options.onConflict,
          batchesAtOnce: BATCHES_AT_ONCE,
          patienceMs: PATIENCE_MS,
        },
        signal: interrupt.signal,
      },
    });
  } catch (error) {
    throw toCommandError(error);
  } finally {
    process.off('SIGINT', onInterrupt).off('SIGTERM', onInterrupt);
  }
}

interface Storing extends Order {
  readonly file: ImportFile;
  readonly survey: Summary;
  readonly run: LinkImportOptions;
}

async function store(terminal: Terminal, { file, options, report, survey, run }: Storing): Promise<void> {
  const begun = await beginImport(run);
  const createReader = () => file.createReader(begun.begunAt.getTime());
  const tally = new ImportTally(run.order.importId);
  if (options.onConflict === 'error') {
    const taken = await findTakenCodes(file.read(createReader()), MAX_LISTED, run);
    if (taken.length > 0) {
      tally.count(taken);
      await report.add(taken);
      await report.end(tally.complete(survey));
      throw codesTaken(taken.length);
    }
  }
  await using map = await openRenameMap(options.rename);
  const { records: total } = survey;
  const bar = startProgressBar(terminal, { what: 'storing', total, unit: 'records' });
  const reader = createReader();
  try {
    for await (const outcomes of importLinks(file.read(reader), begun, run)) {
      tally.count(outcomes);
      await map.add(outcomes);
      await report.add(outcomes);
      bar.update(tally.records);
    }
  } finally {
    bar.stop();
    // Also of an import that did not come to its end.
    await report.end(tally.complete(reader.summary));
  }
  if (Object.keys(tally.complete(reader.summary).refused).length > 0) terminal.exitCode = 1;
}

function codesTaken(count: number): RefusedError {
  const many = count < MAX_LISTED ? `${count}` : `${count} or more`;
  return new RefusedError(`nothing is stored: ${many} codes are taken (--on-conflict error)`);
}

async function findOwner(cluster: Cluster, email: string | undefined): Promise<bigint | null> {
  if (email === undefined) return null;
  return withUsersDb(cluster, async (db) => (await requireUser(db, email)).id);
}

function toCommandError(error: unknown): unknown {
  const goesOn = 'the same command goes on';
  if (error instanceof CodeTakenError)
    return new RefusedError(`${error.message}; what is before it may be stored`, error);
  if (isOutage(error)) return new UnreachableError(`${messageOf(error)}; ${goesOn}`, error);
  if (error instanceof NoKeysError)
    return new UnreachableError(`${messageOf(error)}: see keymill pools; ${goesOn}`, error);
  return error;
}
