import { hasKeyShape } from '../../db/keyspace/alias.ts';
import { slotOf } from '../../db/keyspace/placement.ts';
import { slotOfImport, type BatchId } from '../../db/imports/imports-db.ts';
import type { ImportedRow } from '../../db/imports/imported-rows.ts';
import { DuplicateRowError } from '../../db/store-errors.ts';
import { KeymillError } from '../../runtime/errors.ts';
import { pause } from '../../runtime/retry.ts';
import type { TakenLink } from '../import/outcome.ts';
import { formatKeys, keysOfBatch, parseKeys, placeOf, type BatchKeys } from './batch-keys.ts';
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

/** Mappers ask their servers four times in this time. */
const EXPECTED_WITHIN_MS = 1_000;
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
  /** The servers that expect codes which are no keys of ours. */
  readonly #expecting = new Set<ImportServer>();
  /** When the last of them was told. */
  #expectingSinceMs: number | undefined;

  constructor(ports: ImportPorts, order: ImportOrder, begunAt: Date, signal: AbortSignal) {
    this.#ports = ports;
    this.#order = order;
    this.#begunAt = begunAt;
    this.#signal = signal;
    this.#home = serverAt(ports.servers, slotOfImport(order.importId));
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

  /** Binds the links of a batch. @throws CodeTakenError */
  async store(prepared: PreparedBatch): Promise<ImportOutcome[]> {
    const { id, links } = prepared;
    if (prepared.outcome !== undefined) return this.#outcomes(prepared, prepared.outcome);
    const exceptions = new Map<string, Exception>();
    let batch = prepared;
    let items = this.#toItems(batch);
    for (let round = 0; items.length > 0; round += 1) {
      if (round === MAX_ROUNDS) throw new Error(`batch ${id.batch} could not be stored`);
      const [first, second] = splitByKey(items);
      const lost = [...(await this.#bind(first)), ...second];
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

  /** Resolves when mappers look up all codes of this import that are no keys of ours. */
  async whenForeignCodesAreExpected(): Promise<void> {
    const sinceMs = this.#expectingSinceMs;
    if (sinceMs === undefined) return;
    const leftMs = sinceMs + EXPECTED_WITHIN_MS - this.#ports.now();
    if (leftMs > 0) await pause(leftMs, this.#signal);
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

  /** Binds rows on all servers at the same time. @returns those whose key is another's */
  async #bind(items: readonly Item[]): Promise<Item[]> {
    const groups = Map.groupBy(items, ({ row }) => serverAt(this.#ports.servers, row.slot));
    const bindings = Array.from(groups, async ([server, group]) => {
      await this.#expectForeignCodes(server, group);
      return this.#bindOn(server, group);
    });
    // Nothing is bound any more when this fails.
    await Promise.allSettled(bindings);
    return (await Promise.all(bindings)).flat();
  }

  async #bindOn(server: ImportServer, items: readonly Item[]): Promise<Item[]> {
    const lost: Item[] = [];
    for (const some of piecesOf(items)) lost.push(...(await this.#bindPiece(server, some)));
    return lost;
  }

  async #bindPiece(server: ImportServer, items: readonly Item[]): Promise<Item[]> {
    const lost: Item[] = [];
    let rest = items;
    for (let round = 0; rest.length > 0; round += 1) {
      if (round === MAX_ROUNDS) throw new Error(`${server.imports.name} neither takes links nor says why`);
      if (await this.#until(async () => tryBind(server, rest))) break;
      const keys = rest.map(({ row }) => row.key);
      const holders = await this.#until(async () => server.imports.findHolders(keys));
      const heldBy = new Map(holders.map(({ key, requestId }) => [key, requestId]));
      const isOurs = ({ row }: Item): boolean => heldBy.get(row.key) === row.requestId;
      lost.push(...rest.filter((item) => heldBy.has(item.row.key) && !isOurs(item)));
      rest = rest.filter(({ row }) => !heldBy.has(row.key));
    }
    return lost;
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

  async #expectForeignCodes(server: ImportServer, items: readonly Item[]): Promise<void> {
    if (this.#expecting.has(server) || items.every(({ row }) => hasKeyShape(row.key))) return;
    await this.#until(server.expectForeignCodes);
    this.#expecting.add(server);
    this.#expectingSinceMs = this.#ports.now();
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

/** A link, and the row that binds it. */
export interface Item {
  readonly taken: TakenLink;
  readonly row: ImportedRow;
}

/** What is bound at a time: a server refuses statements that are far longer. */
const [MAX_ROWS, MAX_CHARACTERS] = [1_000, 2 ** 21];

/** Rows for one transaction each. Usually all rows of a batch are one piece. */
function* piecesOf(items: readonly Item[]): Generator<readonly Item[]> {
  let piece: Item[] = [];
  let characters = 0;
  for (const item of items) {
    const { longUrl, title, tags, rules } = item.row;
    const size = longUrl.length + (title?.length ?? 0) + tags.join().length + JSON.stringify(rules).length;
    if (piece.length === MAX_ROWS || (piece.length > 0 && characters + size > MAX_CHARACTERS)) {
      yield piece;
      piece = [];
      characters = 0;
    }
    piece.push(item);
    characters += size;
  }
  if (piece.length > 0) yield piece;
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

/** @returns false when a key is taken, or some of them were bound by an earlier attempt */
async function tryBind({ imports }: ImportServer, items: readonly Item[]): Promise<boolean> {
  try {
    await imports.bind(items.map(({ row }) => row));
    return true;
  } catch (error) {
    if (error instanceof DuplicateRowError) return false;
    throw error;
  }
}
