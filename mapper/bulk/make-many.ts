import { bindAliases, type AliasRequest } from './bind-aliases.ts';
import { bindKeys, Patience, toProblem } from './bind-keys.ts';
import type { BulkTools } from './tools.ts';
import type { MadeLink, OwnedRequest, Outcome, Wish } from './wish.ts';

/** Items that are bound together. One INSERT has 256 rows at most, and the items are for several servers. */
const WINDOW_ITEMS = 512;
/** Items of one bulk that are under way: while one window is bound, the next one is read and queued. */
const AHEAD_ITEMS = 2 * WINDOW_ITEMS;
/** Items at a time that are made alone. */
const ALONE_AT_ONCE = 8;
/** How long one bulk waits in all for pools that are empty. */
const PATIENCE_MS = 2_000;

/**
 * Makes links for a stream of items. What became of each is yielded in their order.
 *
 * Reads the stream no further than {@link AHEAD_ITEMS} in front of the results, so that a consumer that is
 * slow makes the source wait. A source that pauses does not hold back results. When the consumer stops, or
 * the source fails, links that are under way are still bound.
 *
 * @param source pieces of the stream, as they arrive
 * @throws the error of the source, behind the results of the items before it
 */
export async function* makeMany(
  source: AsyncIterable<readonly Wish[]>,
  tools: BulkTools,
): AsyncGenerator<readonly Outcome[]> {
  const pieces = source[Symbol.asyncIterator]();
  const patience = new Patience(PATIENCE_MS);
  const windows: Flight[] = [];
  let ahead = 0;
  let reading: Promise<Read> | undefined = readNext(pieces);
  try {
    while (reading !== undefined || windows.length > 0) {
      const [oldest] = windows;
      const event: Read | Done = await Promise.race([
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
        for (const wishes of cut(event.piece ?? [])) {
          ahead += wishes.length;
          windows.push(begin(wishes, tools, patience));
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

type Read = { readonly piece: readonly Wish[] | undefined } | { readonly error: unknown };

interface Flight {
  readonly done: Promise<Done>;
}

/** Never rejects, so that nobody must wait for it. */
async function readNext(pieces: AsyncIterator<readonly Wish[]>): Promise<Read> {
  try {
    const { done, value } = await pieces.next();
    return { piece: done === true ? undefined : value };
  } catch (error) {
    return { error };
  }
}

function* cut(wishes: readonly Wish[]): Generator<readonly Wish[]> {
  for (let at = 0; at < wishes.length; at += WINDOW_ITEMS) yield wishes.slice(at, at + WINDOW_ITEMS);
}

function begin(wishes: readonly Wish[], tools: BulkTools, patience: Patience): Flight {
  return { done: bindWindow(wishes, tools, patience).then((outcomes) => ({ outcomes })) };
}

/** Never rejects. */
async function bindWindow(
  wishes: readonly Wish[],
  tools: BulkTools,
  patience: Patience,
): Promise<readonly Outcome[]> {
  const release = await tools.units.take(wishes.length);
  try {
    const requests = wishes.flatMap((wish) => ('request' in wish ? [wish.request] : []));
    const makers = wishes.flatMap((wish) => ('make' in wish ? [wish.make] : []));
    const [withKeys, withAliases, alone] = await Promise.all([
      bindKeys(
        requests.filter((request) => !hasAlias(request)),
        tools,
        patience,
      ),
      bindAliases(requests.filter(hasAlias), tools),
      makeAlone(makers),
    ]);
    const made = { keys: withKeys.values(), aliases: withAliases.values(), alone: alone.values() };
    const next = (outcomes: Iterator<Outcome>): Outcome => outcomes.next().value as Outcome;
    return wishes.map((wish) => {
      if ('problem' in wish) return wish;
      if ('make' in wish) return next(made.alone);
      return next(hasAlias(wish.request) ? made.aliases : made.keys);
    });
  } finally {
    release();
  }
}

function hasAlias(request: OwnedRequest): request is AliasRequest {
  return request.alias !== undefined;
}

/** Some at a time, each with its result in its place. Never rejects. */
async function makeAlone(makers: readonly (() => Promise<MadeLink>)[]): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const waiting = makers.entries();
  const work = async (): Promise<void> => {
    for (const [at, make] of waiting)
      outcomes[at] = await make().catch((error: unknown) => ({ problem: toProblem(error) }));
  };
  await Promise.all(Array.from({ length: ALONE_AT_ONCE }, work));
  return outcomes;
}
