import { slotOf } from '../../db/keyspace/placement.ts';
import { slotOfImport, type BatchId } from '../../db/imports/imports-db.ts';
import { KeymillError } from '../../runtime/errors.ts';
import type { TakenLink } from '../import/outcome.ts';
import { formatKeys, keysOfBatch, parseKeys, placeOf, type BatchKeys } from './batch-keys.ts';
import { RowBinding, type Item } from './row-binding.ts';
import { requestIdOf } from './import-identity.ts';
import { toImportedRow } from './imported-link.ts';
import { untilAnswered } from './until-answered.ts';
import { overwrite } from './overwrite.ts';
import { serverAt, type ImportOrder, type ImportPorts, type ImportServer } from './ports.ts';
import {
  formatOutcome,
  mustRepeat,
  parseOutcome,
  toOutcomes,
  type BatchOutcome,
  type Exception,
  type ImportOutcome,
} from './stored-outcome.ts';

/** A batch whose keys are fixed. */
export interface PreparedBatch {
  readonly id: BatchId;
  readonly links: readonly TakenLink[];
  /** As they are stored. */
  readonly keys: string;
  /** undefined: it must be stored. */
  readonly outcome: BatchOutcome | undefined;
}

/** A code is taken, and the import was to end at the first such one. */
export class CodeTakenError extends KeymillError {
  readonly line: number;

  constructor({ line, row, link }: TakenLink) {
    super('CODE_TAKEN', `line ${line}, row ${row}: there is a link with the code ${link.code} already`);
    this.line = line;
  }
}

/** A batch is stored in few rounds. Each one more needs keys that somebody else has bound meanwhile. */
const MAX_ROUNDS = 20;

/**
 * Stores the links of an import, batch by batch. Everything may be repeated, by this process or by another
 * one, also at the same time: each link is bound once.
 *
 * The request id of a link is made from its place in the file. A link without a code gets a key that is fixed
 * in the row of its batch before the link is bound: everybody who stores the batch binds the same keys with
 * the same request ids. Another key is put there only when the link of a key was read as another's, and only
 * if the row still has the keys that were read.
 */
export class BatchStore {
  readonly #ports: ImportPorts;
  readonly #order: ImportOrder;
  readonly #begunAt: Date;
  readonly #signal: AbortSignal;
  /** Where the import is remembered. */
  readonly #home: ImportServer;
  readonly #binding: RowBinding;

  constructor(ports: ImportPorts, order: ImportOrder, begunAt: Date, signal: AbortSignal) {
    this.#ports = ports;
    this.#order = order;
    this.#begunAt = begunAt;
    this.#signal = signal;
    this.#home = serverAt(ports.servers, slotOfImport(order.importId));
    this.#binding = new RowBinding(ports, order, signal);
  }

  /** See {@link RowBinding.whenForeignCodesAreExpected}. */
  async whenForeignCodesAreExpected(): Promise<void> {
    await this.#binding.whenForeignCodesAreExpected();
  }

  /** Fixes the keys of a batch. */
  async prepare(batch: number, links: readonly TakenLink[]): Promise<PreparedBatch> {
    const id = { importId: this.#order.importId, batch };
    const { imports } = this.#home;
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      const stored = await this.#until(async () => imports.findBatch(id));
      const text = stored?.outcome ?? null;
      const outcome = text === null ? undefined : parseOutcome(text);
      const isDone =
        outcome !== undefined && !mustRepeat(outcome, { onConflict: this.#order.onConflict, links });
      const before = stored === undefined ? new Map<string, string>() : parseKeys(stored.keys);
      const keyless = links.filter(({ link }) => link.code === null).map(placeOf);
      const missing = keyless.filter((place) => !before.has(place));
      if (missing.length === 0)
        return { id, links, keys: stored?.keys ?? '{}', outcome: isDone ? outcome : undefined };
      await this.#fixKeys(id, stored?.keys, before, missing);
    }
    throw new Error(`the keys of batch ${batch} could not be fixed`);
  }

  /** Binds the links of a batch. @throws CodeTakenError; what `confirm` of the order throws */
  async store(prepared: PreparedBatch): Promise<ImportOutcome[]> {
    const { id, links } = prepared;
    if (prepared.outcome !== undefined) return this.#outcomes(prepared, prepared.outcome);
    const exceptions = new Map<string, Exception>();
    let batch = prepared;
    let items = this.#toItems(batch);
    for (let round = 0; items.length > 0; round += 1) {
      if (round === MAX_ROUNDS) throw new Error(`batch ${id.batch} could not be stored`);
      const [first, second] = splitByKey(items);
      // Keys may have been waited for, for a minute.
      await this.#order.confirm?.();
      const lost = [...(await this.#binding.bind(first)), ...second];
      await this.#settle(lost.filter(hasCode), exceptions);
      const keyless = lost.filter((item) => !hasCode(item));
      if (keyless.length === 0) break;
      batch = await this.#renewKeys(batch, keyless);
      const again = new Set(keyless.map(({ taken }) => taken));
      items = this.#toItems(batch).filter(({ taken }) => again.has(taken));
    }
    const outcome = { onConflict: this.#order.onConflict, links: links.length, exceptions };
    await this.#until(async () => this.#home.imports.finishBatch(id, formatOutcome(outcome)));
    return this.#outcomes({ ...batch, links }, outcome);
  }

  #outcomes({ links, keys }: PreparedBatch, outcome: BatchOutcome): ImportOutcome[] {
    const hasOwner = this.#order.ownerId !== null;
    return toOutcomes(links, outcome, { keyOf: keysOfBatch(keys), hasOwner });
  }

  async #fixKeys(
    id: BatchId,
    stored: string | undefined,
    before: BatchKeys,
    missing: readonly string[],
  ): Promise<void> {
    const taken = await this.#ports.keys.take(missing.length, this.#signal);
    const keys = formatKeys(
      new Map([...before, ...missing.map((place, i) => [place, taken[i] ?? ''] as const)]),
    );
    const { imports } = this.#home;
    // An earlier attempt of ours whose answer was lost may have stored them: prepare reads them again.
    const isFixed = await this.#until(async () =>
      stored === undefined
        ? imports.insertBatch(id, { keys, outcome: null })
        : imports.replaceKeys(id, stored, keys),
    );
    if (isFixed) return;
    const now = await this.#until(async () => imports.findBatch(id));
    if (now?.keys !== keys) await this.#ports.keys.putBack(taken);
  }

  /** Puts other keys in the place of those that somebody else has bound. */
  async #renewKeys(batch: PreparedBatch, lost: readonly Item[]): Promise<PreparedBatch> {
    const { id, links } = batch;
    const kept = new Map(parseKeys(batch.keys));
    for (const { taken } of lost) kept.delete(placeOf(taken));
    await this.#fixKeys(
      id,
      batch.keys,
      kept,
      lost.map(({ taken }) => placeOf(taken)),
    );
    return { ...(await this.prepare(id.batch, links)), outcome: undefined };
  }

  #toItems({ links, keys }: PreparedBatch): Item[] {
    const keyOf = keysOfBatch(keys);
    const { importId, ownerId } = this.#order;
    return links.map((taken) => {
      const key = keyOf(taken);
      const requestId = requestIdOf(importId, taken.row, taken.part);
      const given = { key, slot: slotOf(key), requestId, ownerId, begunAt: this.#begunAt };
      return { taken, row: toImportedRow(taken.link, given) };
    });
  }

  /** Decides what becomes of links whose code is taken. */
  async #settle(taken: readonly Item[], exceptions: Map<string, Exception>): Promise<void> {
    const { onConflict, ownerId } = this.#order;
    const changed: string[] = [];
    for (const item of taken) {
      if (onConflict === 'error') throw new CodeTakenError(item.taken);
      const exception =
        onConflict === 'skip' || ownerId === null
          ? 'taken-code'
          : await this.#until(async () =>
              overwrite(serverAt(this.#ports.servers, item.row.slot).ownLinks, item, ownerId),
            );
      exceptions.set(placeOf(item.taken), exception);
      if (exception === 'overwritten') changed.push(item.row.key);
    }
    if (changed.length > 0) await this.#ports.announce.changed(changed);
  }

  /** Repeats work while a server is away. Everything here may be repeated. */
  async #until<T>(work: () => Promise<T>): Promise<T> {
    return untilAnswered(work, {
      patienceMs: this.#order.patienceMs,
      now: this.#ports.now,
      signal: this.#signal,
    });
  }
}

function hasCode({ taken }: Item): boolean {
  return taken.link.code !== null;
}

/** Links with keys of their own, and those whose key an earlier link has: one INSERT cannot bind both. */
function splitByKey(items: readonly Item[]): [first: Item[], second: Item[]] {
  const firstOf = new Map<string, Item>();
  for (const item of items) if (!firstOf.has(item.row.key)) firstOf.set(item.row.key, item);
  const isFirst = (item: Item): boolean => firstOf.get(item.row.key) === item;
  return [items.filter(isFirst), items.filter((item) => !isFirst(item))];
}
