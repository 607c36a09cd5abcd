import { performance } from 'node:perf_hooks';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { monotonicMs } from '../../runtime/clock.ts';
import { loadBetween, restAfterClicks, roomForClicks, type ClickProgress } from './click-pace.ts';
import type { ClickRing, RawClick } from './click-ring.ts';
import {
  toResolvedClick,
  UNRESOLVED,
  type ClickListener,
  type ResolveClick,
  type Resolved,
} from './resolved-click.ts';

export interface ClickResolverOptions {
  readonly ring: ClickRing;
  readonly resolve: ResolveClick;
  /** Counts clicks, of each of which `resolved` has what its headers say. Must not throw. */
  readonly onResolved: (clicks: readonly RawClick[], resolved: readonly Resolved[]) => void;
}

/** Some 0.3 ms: no request waits longer for a piece. */
const CLICKS_A_PIECE = 50;
/** The load is that of one to two such times, or since the first click came. */
const LATELY_MS = 250;
/** How long the first click waits for others, so that a process with few clicks seldom wakes up. */
const GATHER_MS = 20;

/** Looks at the headers of clicks in the background, piece by piece. It runs only while clicks wait. */
export class ClickResolver {
  readonly #options: ClickResolverOptions;
  readonly #listeners: ClickListener[] = [];
  #isStopping = false;
  /** Ends the rest that it is in. */
  #wakeUp: (() => void) | undefined;
  #running: Promise<void> | undefined;
  /** From when on the load is measured, and will be next. */
  #from: ClickProgress;
  #between: ClickProgress;
  #read = 0;
  #readMs = 0;

  constructor(options: ClickResolverOptions) {
    this.#options = options;
    this.#from = this.#between = this.#progress();
  }

  listen(listener: ClickListener): void {
    this.#listeners.push(listener);
  }

  /** A click was counted without a look at its headers. */
  skip(key: string, atMs: number): void {
    if (this.#listeners.length === 0) return;
    const click = toResolvedClick({ key, atMs }, UNRESOLVED);
    for (const listener of this.#listeners) if (listener.wanted.has(key)) listener.onClicks([click]);
  }

  /** Clicks wait in the ring. */
  wake(): void {
    this.#running ??= this.#run().finally(() => (this.#running = undefined));
  }

  /** Looks at all clicks that wait, without rests. */
  async close(): Promise<void> {
    this.#isStopping = true;
    this.#wakeUp?.();
    await this.#running;
    while (this.#options.ring.size > 0) {
      this.#resolvePiece();
      await nextTurn();
    }
  }

  async #run(): Promise<void> {
    const { ring } = this.#options;
    // What was before the first click says nothing about the load: otherwise a mapper that was quiet notices
    // after half a second that it has no time, and until then the headers of clicks take half of it.
    this.#from = this.#between = this.#progress();
    await this.#rest(GATHER_MS);
    while (ring.size > 0 && !this.#isStopping) {
      const startedMs = monotonicMs();
      const { room, isFull } = ring;
      this.#resolvePiece();
      const tookMs = monotonicMs() - startedMs;
      this.#readMs += tookMs;
      const load = this.#load();
      ring.room = roomForClicks({ room, isFull, ...load });
      const restMs = restAfterClicks({ tookMs, fill: ring.fill, ...load });
      await (restMs > 0 ? this.#rest(restMs) : nextTurn());
    }
    ring.room = Infinity;
  }

  /** Hundreds of times in a second. To listen to a signal each time takes as long as to look at 5 clicks. */
  async #rest(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    this.#wakeUp = () => {
      clearTimeout(timer);
      resolve();
    };
    return promise;
  }

  /** Of the last moments: single pieces differ too much. */
  #load(): ReturnType<typeof loadBetween> {
    const now = this.#progress();
    if (now.atMs - this.#between.atMs > LATELY_MS) {
      this.#from = this.#between;
      this.#between = now;
    }
    return loadBetween(this.#from, now);
  }

  #progress(): ClickProgress {
    return {
      atMs: monotonicMs(),
      activeMs: performance.eventLoopUtilization().active,
      offered: this.#options.ring.offered,
      read: this.#read,
      readMs: this.#readMs,
    };
  }

  /**
   * Step by step for all of a piece: what a step reads of memory comes while it works on the next click, and
   * not between two steps. That takes a quarter less time than click by click.
   */
  #resolvePiece(): void {
    const { ring, resolve, onResolved } = this.#options;
    const clicks: RawClick[] = [];
    for (let click; clicks.length < CLICKS_A_PIECE && (click = ring.take()) !== undefined;)
      clicks.push(click);
    const resolved = clicks.map((click) => resolve(click));
    onResolved(clicks, resolved);
    this.#read += clicks.length;
    for (const listener of this.#listeners) {
      const heard = clicks.flatMap((click, index) =>
        listener.wanted.has(click.key) ? [toResolvedClick(click, resolved[index] as Resolved)] : [],
      );
      if (heard.length > 0) listener.onClicks(heard);
    }
  }
}
