import type { Outcome, TakenLink } from '../import/outcome.ts';
import { slotOfImport, type BegunImport } from '../../db/imports/imports-db.ts';
import { BatchStore } from './batch-store.ts';
import { BATCH_CHARACTERS, batchesOf, inOrder } from './batches.ts';
import { serverAt, type ImportOrder, type ImportPorts } from './ports.ts';
import type { ImportOutcome } from './stored-outcome.ts';
import { untilAnswered } from './until-answered.ts';

/** New links are announced this often, and at the end: a mapper remembers for 5 s that a key is unknown. */
const ANNOUNCE_EVERY_MS = 1_000;

export interface LinkImportOptions {
  readonly ports: ImportPorts;
  readonly order: ImportOrder;
  /** Ends the import between two batches. */
  readonly signal: AbortSignal;
}

/** Begins an import, or begins it again: read the file with its `begunAt` as `nowMs`. */
export async function beginImport(options: LinkImportOptions): Promise<BegunImport> {
  const { ports, order, signal } = options;
  const { imports } = serverAt(ports.servers, slotOfImport(order.importId));
  const first = { begunAt: new Date(), batchCharacters: BATCH_CHARACTERS };
  const begin = async (): Promise<BegunImport> => imports.begin(order.importId, first);
  return untilAnswered(begin, { patienceMs: order.patienceMs, now: ports.now, signal });
}

/**
 * Stores what a reader takes of a file. Yields what has become of each record, in the order of the file, when
 * it is durable; the last piece when all mappers have heard of the new links.
 *
 * While some batches are bound, the next one is read and its keys are fixed. Memory does not grow with the
 * file. It may end anywhere, and run again from the beginning of the file: nothing is stored twice.
 *
 * @param outcomes of a reader, with the same options in each run
 * @throws CodeTakenError; StoreUnavailableError or OutcomeUnknownError when a server stays away; NoKeysError;
 *   the reason of the signal
 */
export async function* importLinks(
  outcomes: AsyncIterable<readonly Outcome[]>,
  { begunAt, batchCharacters }: BegunImport,
  options: LinkImportOptions,
): AsyncGenerator<readonly ImportOutcome[]> {
  const { ports, order, signal } = options;
  const store = new BatchStore(ports, order, begunAt, signal);
  const news = new News(options);
  /** In the order of the file. */
  const running: RunningBatch[] = [];
  try {
    for await (const { number: batch, records } of batchesOf(outcomes, batchCharacters)) {
      signal.throwIfAborted();
      const links = records.filter((record): record is TakenLink => 'link' in record);
      const prepared =
        batch === undefined || links.length === 0 ? undefined : await store.prepare(batch, links);
      const codes = codesOf(links);
      // Of two links with one code the first one gets it, also if they are far from each other.
      while (
        running.length >= order.batchesAtOnce ||
        running.some((other) => !other.codes.isDisjointFrom(codes))
      )
        yield await (running[0] as RunningBatch).stored.finally(() => running.shift());
      // Before: a part of the batch may be bound when the rest fails.
      if (codes.size > 0) news.expect();
      const stored = prepared === undefined ? Promise.resolve([]) : store.store(prepared);
      running.push({ codes, stored: stored.then((found) => inOrder(records, found)) });
      // It is awaited later. Meanwhile a failure must not count as unhandled.
      stored.catch(() => undefined);
      await news.announceWhenDue();
    }
    for (; running.length > 1; running.shift()) yield await (running[0] as RunningBatch).stored;
    const last = await running[0]?.stored;
    await store.whenForeignCodesAreExpected();
    await news.announce();
    if (last !== undefined) yield last;
  } finally {
    // Nothing is bound behind the back of the caller.
    await Promise.allSettled(running.map(async ({ stored }) => stored));
    await news.announce();
  }
}

/** A batch that is being bound. */
interface RunningBatch {
  readonly codes: ReadonlySet<string>;
  readonly stored: Promise<ImportOutcome[]>;
}

function codesOf(links: readonly TakenLink[]): Set<string> {
  return new Set(links.flatMap(({ link }) => link.code ?? []));
}

/** Announces links whose keys somebody chose. Keys of ours are never remembered as unknown. */
class News {
  readonly #ports: ImportPorts;
  #hasNews = false;
  #announcedAtMs: number;

  constructor({ ports }: LinkImportOptions) {
    this.#ports = ports;
    this.#announcedAtMs = ports.now();
  }

  expect(): void {
    this.#hasNews = true;
  }

  async announceWhenDue(): Promise<void> {
    if (this.#ports.now() - this.#announcedAtMs > ANNOUNCE_EVERY_MS) await this.announce();
  }

  async announce(): Promise<void> {
    if (!this.#hasNews) return;
    this.#hasNews = false;
    this.#announcedAtMs = this.#ports.now();
    await this.#ports.announce.appeared();
  }
}
