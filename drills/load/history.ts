import { createReadStream, createWriteStream, type WriteStream } from 'node:fs';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/**
 * How a shorten ended, as its client knows it.
 *
 * - `acked`: 201. From now on the link must redirect, for ever.
 * - `refused`: 503; nothing was promised.
 * - `failed`: no acceptable answer from any mapper: a wrong status, or a connection that ended after the request was sent.
 * - `unknown`: no answer in time. It may have happened, or happen later; it is neither success nor failure.
 */
export type ShortenOutcome = 'acked' | 'refused' | 'failed' | 'unknown';

/** How a redirect of an acknowledged link ended. `lost`: a mapper says there is no such link; `wrong`: it leads elsewhere. */
export type RedirectOutcome = 'right' | 'wrong' | 'lost' | 'refused' | 'failed' | 'unknown';

export interface ShortenEntry {
  readonly op: 'shorten';
  /** When it was sent, in ms since the load began. */
  readonly at: number;
  /** How long the answer took. */
  readonly ms: number;
  /** Number of the link: its target is made of it. */
  readonly n: number;
  readonly outcome: ShortenOutcome;
  readonly key?: string;
  readonly via?: string;
  readonly status?: number;
  readonly retryAfter?: boolean;
  readonly reason?: string;
}

export interface RedirectEntry {
  readonly op: 'redirect';
  readonly at: number;
  readonly ms: number;
  readonly n: number;
  readonly key: string;
  readonly outcome: RedirectOutcome;
  readonly via?: string;
  readonly status?: number;
  readonly location?: string;
  readonly reason?: string;
}

/** Something that was done to the cluster, or seen in it. */
export interface EventEntry {
  readonly op: 'event';
  readonly at: number;
  readonly event: string;
}

/** What a store said at one moment: the newest reign that it knows of a shard. */
export interface ReignEntry {
  readonly op: 'reign';
  readonly at: number;
  readonly store: string;
  readonly shard: string;
  readonly epoch: number;
  /** Redis: its last part accepted, and the id of its data; keys-db: who raised the epoch. */
  readonly seq?: number;
  readonly incarnation?: string;
  readonly owner?: string;
  readonly czxid?: string;
}

export type HistoryEntry = ShortenEntry | RedirectEntry | EventEntry | ReignEntry;

/** Everything that happened during a drill, one JSON object a line, written as it happens: memory stays bounded. */
export class History {
  readonly path: string;
  readonly #stream: WriteStream;
  readonly #beganMs = performance.now();

  constructor(path: string) {
    this.path = path;
    this.#stream = createWriteStream(path, { mode: 0o600 });
    this.#stream.on('error', () => undefined);
  }

  /** Milliseconds since the drill began, by the monotonic clock. */
  get nowMs(): number {
    return performance.now() - this.#beganMs;
  }

  append(entry: HistoryEntry): void {
    this.#stream.write(`${JSON.stringify(entry, roundTimes)}\n`);
  }

  async close(): Promise<void> {
    const closed = once(this.#stream, 'close');
    this.#stream.end();
    await closed;
  }
}

function roundTimes(_name: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isInteger(value) ? Math.round(value * 10) / 10 : value;
}

/** Reads a history back, entry by entry. */
export async function* readHistory(path: string): AsyncGenerator<HistoryEntry> {
  const lines = createInterface({ input: createReadStream(path), crlfDelay: Infinity });
  for await (const line of lines) {
    // It is our own file, written by append() above.
    if (line !== '') yield JSON.parse(line) as HistoryEntry;
  }
}
