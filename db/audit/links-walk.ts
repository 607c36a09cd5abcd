import type { UrlsDb } from '../urls/links.ts';
import type { WalkedLink } from '../urls/stored-links.ts';

const ROWS_PER_PAGE = 10_000;

export interface WalkResult {
  /** Keys that have rows on more than one server. */
  readonly duplicates: number;
  readonly unreachable: readonly string[];
}

/**
 * Walks over all links of all urls databases in bounded memory, merged in the order of the primary key, so
 * that the rows of one key on two servers are adjacent. A server that does not answer is skipped from then
 * on, and named in the result.
 */
export async function walkLinks(
  urlsDbs: readonly UrlsDb[],
  visit: (links: readonly WalkedLink[]) => void,
  signal?: AbortSignal,
): Promise<WalkResult> {
  const streams = urlsDbs.map((db) => new LinkStream(db));
  await Promise.all(streams.map((stream) => stream.fill()));
  let duplicates = 0;
  let last: WalkedLink | undefined;
  let wasDuplicate = false;
  let page: WalkedLink[] = [];
  for (;;) {
    const next = withLowestHead(streams);
    if (!next) break;
    const link = next.take();
    const isDuplicate = last !== undefined && compare(last, link) === 0;
    if (isDuplicate && !wasDuplicate) duplicates += 1;
    wasDuplicate = isDuplicate;
    last = link;
    page.push(link);
    if (page.length === ROWS_PER_PAGE) {
      signal?.throwIfAborted();
      visit(page);
      page = [];
    }
    if (next.needsPage) await next.fill();
  }
  visit(page);
  return { duplicates, unreachable: streams.filter(({ hasFailed }) => hasFailed).map(({ name }) => name) };
}

/** The links of one database, page by page. */
class LinkStream {
  readonly name: string;
  hasFailed = false;
  readonly #db: UrlsDb;
  #page: WalkedLink[] = [];
  #at = 0;
  #ended = false;

  constructor(db: UrlsDb) {
    this.name = db.name;
    this.#db = db;
  }

  get head(): WalkedLink | undefined {
    return this.#page[this.#at];
  }

  get needsPage(): boolean {
    return this.head === undefined && !this.#ended;
  }

  /** Call it only when there is a head. */
  take(): WalkedLink {
    return this.#page[this.#at++] as WalkedLink;
  }

  async fill(): Promise<void> {
    try {
      const last = this.#page.at(-1);
      this.#page = await this.#db.keysAfter(last, ROWS_PER_PAGE);
      this.#ended = this.#page.length < ROWS_PER_PAGE;
    } catch {
      this.#page = [];
      this.#ended = true;
      this.hasFailed = true;
    }
    this.#at = 0;
  }
}

function withLowestHead(streams: readonly LinkStream[]): LinkStream | undefined {
  let best: LinkStream | undefined;
  for (const stream of streams) {
    if (stream.head && (!best?.head || compare(stream.head, best.head) < 0)) best = stream;
  }
  return best;
}

/** In the order of the primary key: slot, then bytes. */
function compare(a: WalkedLink, b: WalkedLink): number {
  if (a.slot !== b.slot) return a.slot - b.slot;
  if (a.key === b.key) return 0;
  return a.key < b.key ? -1 : 1;
}
