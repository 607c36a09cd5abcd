import { bindAliases, type AliasRequest } from './bind-aliases.ts';
import { bindKeys, Patience, toProblem } from './bind-keys.ts';
import type { BulkTools } from './tools.ts';
import type { MadeLink, OwnedRequest, Outcome, Wish } from './wish.ts';

/** Items that are bound together. One INSERT has 256 rows at most, and takes those of several windows. */
const WINDOW_ITEMS = 256;
/**
 * Items of one bulk that are under way: while some are bound on each server, others wait there already. With
 * two windows one bulk made 49,000 links/s, with three 56,000.
 */
const AHEAD_ITEMS = 3 * WINDOW_ITEMS;
/** Items at a time that are made alone. */
const ALONE_AT_ONCE = 8;
/** How long one bulk waits in all for pools that are empty. */
const PATIENCE_MS = 2_000;

/** What is asked about the items of a bulk. */
export interface Making<Item> {
  /** Parses an item, `index` items behind the first. */
  readonly toWish: (item: Item, index: number) => Wish;
  /**
   * Asked before items are bound, and again before each that is made alone: a bulk may last longer than the
   * right to make links. @throws Problem: nothing is bound, and it answers each of these items
   */
  readonly admit: () => Promise<unknown>;
}

/**
 * Makes links for a stream of items. What became of each is yielded in their order.
 *
 * An item is parsed when its turn to be bound has come. Until then it is a part of a chunk of bytes. Parsed
 * items that wait for as long as two collections of young garbage would become old garbage: with 2,048 of
 * them a mapper needed 120 MB more.
 *
 * Reads the stream no further than {@link AHEAD_ITEMS} in front of the results, so that a consumer that is
 * slow makes the source wait. A source that pauses does not hold back results. When the consumer stops, or
 * the source fails, links that are under way are still bound.
 *
 * @param source pieces of the stream, as they arrive
 * @throws the error of the source, behind the results of the items before it
 */
export async function* makeMany<Item>(
  source: AsyncIterable<readonly Item[]>,
  making: Making<Item>,
  tools: BulkTools,
): AsyncGenerator<readonly Outcome[]> {
  const pieces = source[Symbol.asyncIterator]();
  const patience = new Patience(PATIENCE_MS);
  const windows: Flight[] = [];
  let ahead = 0;
  let read = 0;
  let reading: Promise<Read<Item>> | undefined = readNext(pieces);
  try {
    while (reading !== undefined || windows.length > 0) {
      const [oldest] = windows;
      const event: Read<Item> | Done = await Promise.race([
        ...(reading !== undefined && (ahead < AHEAD_ITEMS || oldest === undefined) ? [reading] : []),
        ...(oldest === undefined ? [] : [oldest.done]),
      ]);
      if ('outcomes' in event) {
        windows.shift();
        ahead -= event.outcomes.length;
        yield event.outcomes;
      } else if ('error' in event) {
        for (const { done } of windows) yield (await done).outcomes;
        throw event.error;
      } else {
        reading = event.piece === undefined ? undefined : readNext(pieces);
        for (const items of cut(event.piece ?? [])) {
          ahead += items.length;
          windows.push(begin({ items, from: read }, making, { tools, patience }));
          read += items.length;
        }
      }
    }
  } finally {
    // Not awaited: it may wait for bytes that never come.
    void pieces.return?.();
  }
}

interface Done {
  readonly outcomes: readonly Outcome[];
}

type Read<Item> = { readonly piece: readonly Item[] | undefined } | { readonly error: unknown };

interface Window<Item> {
  readonly items: readonly Item[];
  /** The index of the first one in the bulk. */
  readonly from: number;
}

interface Flight {
  readonly done: Promise<Done>;
}

/** Never rejects, so that nobody must wait for it. */
async function readNext<Item>(pieces: AsyncIterator<readonly Item[]>): Promise<Read<Item>> {
  try {
    const { done, value } = await pieces.next();
    return { piece: done === true ? undefined : value };
  } catch (error) {
    return { error };
  }
}

function* cut<Item>(items: readonly Item[]): Generator<readonly Item[]> {
  for (let at = 0; at < items.length; at += WINDOW_ITEMS) yield items.slice(at, at + WINDOW_ITEMS);
}

/** What the windows of one bulk share. */
interface Shared {
  readonly tools: BulkTools;
  readonly patience: Patience;
}

function begin<Item>(window: Window<Item>, making: Making<Item>, shared: Shared): Flight {
  const outcomes = bindWindow(window, making, shared).catch((error: unknown) => {
    // Refused, or a fault of ours, which must not end the process.
    const problem = toProblem(error);
    return window.items.map(() => ({ problem }));
  });
  return { done: outcomes.then((all) => ({ outcomes: all })) };
}

async function bindWindow<Item>(
  { items, from }: Window<Item>,
  { toWish, admit }: Making<Item>,
  { tools, patience }: Shared,
): Promise<readonly Outcome[]> {
  const release = await tools.units.take(items.length);
  await admit().catch((error: unknown) => {
    release();
    throw error;
  });
  const wishes = items.map((item, at) => toWish(item, from + at));
  const requests = wishes.flatMap((wish) => ('request' in wish ? [wish.request] : []));
  const makers = wishes.flatMap((wish) => ('make' in wish ? [wish.make] : []));
  // Items that are made alone may take long, and keep nobody waiting.
  const making = makeAlone(makers, admit);
  const [withKeys, withAliases] = await Promise.all([
    bindKeys(
      requests.filter((request) => !hasAlias(request)),
      tools,
      patience,
    ),
    bindAliases(requests.filter(hasAlias), tools),
  ]).finally(release);
  const alone = await making;
  const made = { keys: withKeys.values(), aliases: withAliases.values(), alone: alone.values() };
  const next = (outcomes: Iterator<Outcome>): Outcome => outcomes.next().value as Outcome;
  return wishes.map((wish) => {
    if ('problem' in wish) return wish;
    if ('make' in wish) return next(made.alone);
    return next(hasAlias(wish.request) ? made.aliases : made.keys);
  });
}

function hasAlias(request: OwnedRequest): request is AliasRequest {
  return request.alias !== undefined;
}

/** Some at a time, each with its result in its place. Never rejects. */
async function makeAlone(
  makers: readonly (() => Promise<MadeLink>)[],
  admit: () => Promise<unknown>,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const waiting = makers.entries();
  const work = async (): Promise<void> => {
    for (const [at, make] of waiting)
      outcomes[at] = await admit()
        .then(make)
        .catch((error: unknown) => ({ problem: toProblem(error) }));
  };
  await Promise.all(Array.from({ length: ALONE_AT_ONCE }, work));
  return outcomes;
}
