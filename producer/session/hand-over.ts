import type { Log } from '../../runtime/log.ts';
import { giveBackOf, HandOverPace, type BalanceView } from './balance.ts';
import { longWaitMs } from './contend.ts';

export interface HandOver {
  readonly shard: string;
  readonly heir: string;
  /** Until then only the heir may take it. Monotonic clock. */
  readonly untilMs: number;
}

/** Gives surplus shards back, one at a time: the next when the heir holds the shard or its time is over. */
export class HandOvers {
  readonly #timeoutMs: number;
  readonly #pace: HandOverPace;
  readonly #log: Log;
  #current: HandOver | undefined;

  constructor(sessionTimeoutMs: number, nowMs: number, log: Log) {
    this.#timeoutMs = longWaitMs(sessionTimeoutMs);
    this.#pace = new HandOverPace(sessionTimeoutMs, nowMs);
    this.#log = log;
  }

  /** Call with every look at the members. */
  observe(members: BalanceView['members'], nowMs: number): void {
    this.#pace.observe(members, nowMs);
  }

  /** The hand-over to begin now. The caller must release the reign, and must not take the shard again. */
  begin(view: BalanceView, nowMs: number): HandOver | undefined {
    if (this.#current || !this.#pace.mayGiveBack(nowMs)) return undefined;
    const shard = giveBackOf(view);
    if (shard === undefined) return undefined;
    this.#current = { shard, heir: view.assigned.get(shard) ?? '', untilMs: nowMs + this.#timeoutMs };
    this.#log.info(this.#current, 'giving a shard back to the producer that asks for it');
    return this.#current;
  }

  /** Ends the hand-over if the heir holds the shard or the time is over. @returns the shard if it ended */
  finish({ self, owners }: BalanceView, nowMs: number): string | undefined {
    const current = this.#current;
    if (!current || self.owned.includes(current.shard)) return undefined;
    const owner = owners.get(current.shard);
    const isTaken = owner !== undefined && owner !== self.id;
    if (!isTaken && nowMs < current.untilMs) return undefined;
    if (isTaken) this.#pace.succeeded();
    else {
      this.#pace.failed(nowMs);
      this.#log.warn(current, 'a shard given back was not taken');
    }
    this.#current = undefined;
    return current.shard;
  }
}
