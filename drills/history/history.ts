import { once } from 'node:events';
import { createReadStream, createWriteStream, type WriteStream } from 'node:fs';
import { createInterface } from 'node:readline';

/**
 * How a shorten ended for its client.
 *
 * - `acked`: 201. The link must redirect from now on.
 * - `refused`: 503. Nothing was promised.
 * - `failed`: no acceptable answer from any mapper: a wrong status, or a connection that ended after the
 *   request was sent.
 * - `unknown`: no answer in time. The link may exist now or later, so this is neither success nor failure.
 */
export type ShortenOutcome = 'acked' | 'refused' | 'failed' | 'unknown';

/** How a redirect of an acknowledged link ended. `lost`: 404 or 410; `wrong`: it leads to another target. */
export type RedirectOutcome = 'right' | 'wrong' | 'lost' | 'refused' | 'failed' | 'unknown';

export interface ShortenEntry {
  readonly op: 'shorten';
  /** When the request was sent, in ms since the drill began. */
  readonly at: number;
  /** How long the answer took. */
  readonly ms: number;
  /** The number of the link, from which its target is made. */
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

/** An action on the cluster, or an observation of it. */
export interface EventEntry {
  readonly op: 'event';
  readonly at: number;
  readonly event: string;
}

/** The newest reign over a shard that a store has accepted, at one moment. */
export interface ReignEntry {
  readonly op: 'reign';
  readonly at: number;
  readonly store: string;
  readonly shard: string;
  readonly epoch: number;
  /** From Redis: the last part that it accepted, and the id of its data. */
  readonly seq?: number;
  readonly incarnation?: string;
  /** From a keys-db: the producer that raised the epoch, and its lock. */
  readonly owner?: string;
  readonly czxid?: string;
}

export type HistoryEntry = ShortenEntry | RedirectEntry | EventEntry | ReignEntry;

/** Everything that happens during a drill, one JSON object a line. Memory stays bounded. */
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

/** Reads a history, entry by entry. */
export async function* readHistory(path: string): AsyncGenerator<HistoryEntry> {
  const lines = createInterface({ input: createReadStream(path), crlfDelay: Infinity });
  for await (const line of lines) {
    // Only append() above writes this file.
    if (line !== '') yield JSON.parse(line) as HistoryEntry;
  }
}
