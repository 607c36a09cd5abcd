import type { ServerResponse } from 'node:http';
import type { Feed, Looking } from './feed.ts';
import type { Facts } from './seen.ts';
import { Screen, draw, newsOf, patchOf, wholePatch, type Drawn } from './screen.ts';

/** Open pages of one process. Each takes a connection of the admin port, which has 256. */
export const MAX_PAGES = 16;
/** The script of a page reports silence when it has heard nothing for some of these. */
const BEAT_MS = 4_000;
/** A page whose connection takes nothing for this long is given up. */
const STUCK_MS = 30_000;
/** A browser waits this long before it connects again. */
const RETRY_MS = 1_000;

export const STREAM_HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store',
  'x-accel-buffering': 'no',
  'x-content-type-options': 'nosniff',
} as const;

interface Page {
  readonly response: ServerResponse;
  /** Since when its connection takes nothing more. */
  stuckSinceMs: number | undefined;
  /** It has missed a patch meanwhile, and gets everything next. */
  hasMissed: boolean;
}

export interface LivePagesOptions {
  readonly facts: Facts;
  readonly feed: Feed;
}

/**
 * The pages that are open in browsers. Whatever changes is drawn once, and all pages are sent the same bytes.
 * While no page is open there is no timer.
 */
export class LivePages {
  readonly #options: LivePagesOptions;
  readonly #screen: Screen;
  readonly #pages = new Set<Page>();
  #drawn: Drawn | undefined;
  #looking: Looking | undefined;
  #beating: NodeJS.Timeout | undefined;
  #toldUntilMs = 0;
  /** Of the timeline, until which its events were told. */
  #told = '';
  #isClosed = false;

  constructor(options: LivePagesOptions) {
    this.#options = options;
    this.#screen = new Screen(options.facts);
  }

  /** Whether one more may be opened. */
  get hasRoom(): boolean {
    return !this.#isClosed && this.#pages.size < MAX_PAGES;
  }

  /** Sends everything, and from then on what changes, until the connection is closed. */
  open(response: ServerResponse): void {
    const page: Page = { response, stuckSinceMs: undefined, hasMissed: false };
    const onGone = (): void => this.#leave(page);
    response.once('close', onGone);
    // The admin port lets clients end their side and wait. Nobody waits behind a stream.
    response.req.socket.once('end', onGone);
    response.on('drain', () => {
      page.stuckSinceMs = undefined;
      if (page.hasMissed) this.#sendWhole(page);
    });
    response.writeHead(200, STREAM_HEADERS);
    response.write(`retry: ${RETRY_MS}\n\n`);
    this.#pages.add(page);
    this.#begin();
    this.#sendWhole(page);
  }

  /** Ends all streams, and opens no further ones. */
  close(): void {
    this.#isClosed = true;
    this.endAll();
  }

  /** Ends all streams. Browsers ask again, and get one if they still may. */
  endAll(): void {
    for (const page of this.#pages) this.#leave(page);
  }

  #begin(): void {
    if (this.#looking !== undefined) return;
    this.#toldUntilMs = Date.now();
    this.#told = this.#options.feed.timeline.after().mark;
    this.#drawn = this.#draw();
    this.#looking = this.#options.feed.look(() => this.#onChange());
    this.#beating = setInterval(() => this.#beat(), BEAT_MS);
  }

  #leave(page: Page): void {
    if (!this.#pages.delete(page)) return;
    page.response.end();
    if (this.#pages.size > 0) return;
    clearInterval(this.#beating);
    this.#looking?.[Symbol.dispose]();
    this.#looking = undefined;
    this.#drawn = undefined;
  }

  #draw(): Drawn {
    const { feed } = this.#options;
    const blocks = this.#screen.blocksOf(feed.seen, feed.timeline.all(), Date.now());
    return draw(blocks, this.#drawn);
  }

  #onChange(): void {
    const before = this.#drawn;
    const after = this.#draw();
    this.#drawn = after;
    const { timeline } = this.#options.feed;
    const { events: added, mark } = timeline.after(this.#told);
    const news = added.length === 0 ? [] : newsOf(timeline.all(), this.#toldUntilMs, added);
    [this.#toldUntilMs, this.#told] = [Date.now(), mark];
    const patch = before === undefined ? wholePatch(after) : patchOf(before, after);
    const isNew = Object.keys(patch).length > 0;
    const text = (isNew ? eventOf('patch', patch) : '') + (news.length > 0 ? eventOf('news', news) : '');
    if (text === '') return;
    const bytes = Buffer.from(text);
    for (const page of this.#pages) this.#send(page, bytes);
  }

  #sendWhole(page: Page): void {
    if (this.#drawn === undefined || !this.#pages.has(page)) return;
    page.hasMissed = false;
    this.#send(page, Buffer.from(eventOf('patch', wholePatch(this.#drawn))));
  }

  /** What a slow page does not take is not kept for it: it gets everything once it takes bytes again. */
  #send(page: Page, bytes: Buffer): void {
    if (page.stuckSinceMs !== undefined) page.hasMissed = true;
    else if (!page.response.write(bytes)) page.stuckSinceMs = Date.now();
  }

  #beat(): void {
    const beat = Buffer.from(eventOf('beat', 1));
    for (const page of this.#pages) {
      if (page.stuckSinceMs !== undefined) {
        if (Date.now() - page.stuckSinceMs > STUCK_MS) page.response.destroy();
      } else page.response.write(beat);
    }
  }
}

function eventOf(name: string, data: unknown): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}
