import { setTimeout as pause } from 'node:timers/promises';
import type { LinkToWatch } from '../../db/redis/live-streams.ts';
import type { LiveListener } from './live-listener.ts';

/** Clients that are sent something in one turn of the event loop: half a millisecond of work. */
const LISTENERS_PER_TURN = 10;
/** Requests are served in between (docs/decisions/0017-background-work-rests.md). */
const REST_MS = 2;

/** A link that clients of this process watch. */
export class LiveLink {
  readonly key: string;
  readonly owner: string;
  readonly listeners = new Set<LiveListener>();
  /** Resolves when `lastId` is known. */
  readonly opened: Promise<void>;
  /** The last entry of its stream that was read. */
  lastId = '0-0';
  /** When its stream was last read, in monotonic milliseconds. */
  readAtMs = Number.POSITIVE_INFINITY;

  constructor({ key, owner }: LinkToWatch, open: (link: LiveLink) => Promise<void>) {
    this.key = key;
    this.owner = owner;
    this.opened = open(this);
    this.opened.catch(() => undefined);
  }

  /** Gives all listeners a piece. */
  async tell(piece: Uint8Array): Promise<void> {
    await inTurns(this.listeners, (listener) => listener.add(piece));
  }

  close(): void {
    for (const listener of this.listeners) listener.close();
  }
}

/** Does the same with each listener that is there at the beginning. */
export async function inTurns(
  listeners: ReadonlySet<LiveListener>,
  work: (listener: LiveListener) => void,
): Promise<void> {
  let done = 0;
  for (const listener of Array.from(listeners)) {
    work(listener);
    if (++done % LISTENERS_PER_TURN === 0) await pause(REST_MS);
  }
}
