import { hasKeyShape } from '../../db/keyspace/alias.ts';
import type { ImportedRow } from '../../db/imports/imported-rows.ts';
import { DuplicateRowError } from '../../db/store-errors.ts';
import { pause } from '../../runtime/retry.ts';
import type { TakenLink } from '../import/outcome.ts';
import { serverAt, type ImportOrder, type ImportPorts, type ImportServer } from './ports.ts';
import { untilAnswered } from './until-answered.ts';

/** A link, and the row that binds it. */
export interface Item {
  readonly taken: TakenLink;
  readonly row: ImportedRow;
}

/** Mappers ask their servers four times in this time. */
const EXPECTED_WITHIN_MS = 1_000;
/** Each round more needs a key that somebody else has bound meanwhile. */
const MAX_ROUNDS = 20;

/** Binds the rows of an import. It may be repeated at any time: a row is bound once. */
export class RowBinding {
  readonly #ports: ImportPorts;
  readonly #order: Pick<ImportOrder, 'patienceMs'>;
  readonly #signal: AbortSignal;
  /** The servers that expect codes which are no keys of ours. */
  readonly #expecting = new Set<ImportServer>();
  /** When the last of them was told. */
  #expectingSinceMs: number | undefined;

  constructor(ports: ImportPorts, order: Pick<ImportOrder, 'patienceMs'>, signal: AbortSignal) {
    this.#ports = ports;
    this.#order = order;
    this.#signal = signal;
  }

  /** Binds rows on all servers at the same time. @returns those whose key is another's */
  async bind(items: readonly Item[]): Promise<Item[]> {
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

  /** Resolves when mappers look up all codes of this import that are no keys of ours. */
  async whenForeignCodesAreExpected(): Promise<void> {
    const sinceMs = this.#expectingSinceMs;
    if (sinceMs === undefined) return;
    const leftMs = sinceMs + EXPECTED_WITHIN_MS - this.#ports.now();
    if (leftMs > 0) await pause(leftMs, this.#signal);
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
