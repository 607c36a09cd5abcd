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

/** What a change leaves behind: the number of the link's target, and whether the link is deleted. */
export interface OwnLinkState {
  readonly target: number;
  readonly isDeleted: boolean;
}

/**
 * How a change of an own link ended for its client.
 *
 * - `acked`: 200, 201 or 204. It has happened.
 * - `refused`: it has not happened: another change was first (412), or there is no such link.
 * - `unknown`: no answer, or one that does not say. It may have happened, or may still happen.
 */
export type ChangeOutcome = 'acked' | 'refused' | 'unknown';

/** A request that makes or changes an own link. `prune`: the link was cleared, 30 days after its deletion. */
export interface ChangeEntry {
  readonly op: 'change';
  readonly kind: 'make' | 'edit' | 'delete' | 'restore' | 'prune';
  readonly at: number;
  readonly ms: number;
  readonly key: string;
  /** The version that the request named. The change makes the next one of it. 0 for a new link. */
  readonly base: number;
  readonly becomes: OwnLinkState;
  readonly outcome: ChangeOutcome;
  /** How long, by the answer, mappers that have not heard may show older states. */
  readonly lagMs?: number;
  readonly via?: string;
  readonly status?: number;
}

/** What the owner read: the link of the primary. */
export interface OwnReadEntry {
  readonly op: 'own-read';
  readonly at: number;
  readonly ms: number;
  readonly key: string;
  readonly version: number;
  readonly state: OwnLinkState;
  readonly via: string;
}

/**
 * A redirect of an own link. `saw`: the number of the target, `deleted` (410), `nothing` (no answer, or 503),
 * or any other answer as it was.
 */
export interface FollowEntry {
  readonly op: 'follow';
  readonly at: number;
  readonly ms: number;
  readonly key: string;
  readonly saw: number | string;
  readonly via: string;
}

/** A picture that was posted. The outcomes are those of a shorten. */
export interface ImagePostEntry {
  readonly op: 'image-post';
  readonly at: number;
  readonly ms: number;
  /** The number of the picture, from which its bytes are made. */
  readonly n: number;
  readonly outcome: ShortenOutcome;
  readonly key?: string;
  readonly via?: string;
  readonly status?: number;
  /** Of a refusal. */
  readonly retryAfter?: boolean;
  readonly reason?: string;
}

/**
 * A look at an acknowledged image. `saw`: the number of the picture with exactly these bytes, `other bytes`
 * (of no picture of this drill), `deleted` (410), `refused` (503), `nothing` (no whole answer), or the status
 * of any other answer.
 */
export interface ImageViewEntry {
  readonly op: 'image-view';
  readonly at: number;
  readonly ms: number;
  readonly key: string;
  readonly saw: number | string;
  readonly via: string;
  /** After all faults, and repeated while it was refused: now every mapper must show it. */
  readonly isLast?: true;
}

export interface ImageDeleteEntry {
  readonly op: 'image-delete';
  readonly at: number;
  readonly ms: number;
  readonly key: string;
  readonly outcome: ChangeOutcome;
  /** How long, by the answer, mappers that have not heard may still show the image. */
  readonly lagMs?: number;
  readonly via?: string;
  readonly status?: number;
  readonly reason?: string;
}

export type ImageEntry = ImagePostEntry | ImageViewEntry | ImageDeleteEntry;

export type HistoryEntry =
  | ShortenEntry
  | RedirectEntry
  | EventEntry
  | ReignEntry
  | ChangeEntry
  | OwnReadEntry
  | FollowEntry
  | ImageEntry;

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

/** To microseconds: a link is followed some of them after the answer to its change. */
function roundTimes(_name: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isInteger(value) ? Math.round(value * 1_000) / 1_000 : value;
}

/** Reads a history, entry by entry. */
export async function* readHistory(path: string): AsyncGenerator<HistoryEntry> {
  const lines = createInterface({ input: createReadStream(path), crlfDelay: Infinity });
  for await (const line of lines) {
    // Only append() above writes this file.
    if (line !== '') yield JSON.parse(line) as HistoryEntry;
  }
}
