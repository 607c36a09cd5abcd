import { setImmediate as nextTurn } from 'node:timers/promises';
import { monotonicMs } from '../../runtime/clock.ts';

/** Redirects wait for so long at most. A piece of 64 KiB takes about 0.1 ms. */
const SHARE_MS = 0.5;

/**
 * What all uploads together may take of one turn of the event loop. Node reads up to 2 MiB of a connection in
 * one turn if they are there, and does so for each connection: nobody else is served meanwhile.
 */
export class SharedTurn {
  #turn = -1;
  /** When the first upload of this turn began. */
  #beganMs = 0;

  /**
   * Call it before each piece of work.
   * @returns undefined: do it now. Else wait: this turn is over for uploads
   */
  next(): Promise<void> | undefined {
    const { loopCount } = performance.nodeTiming.uvMetricsInfo;
    const nowMs = monotonicMs();
    if (loopCount === this.#turn) return nowMs - this.#beganMs > SHARE_MS ? nextTurn() : undefined;
    this.#turn = loopCount;
    this.#beganMs = nowMs;
    return undefined;
  }
}
