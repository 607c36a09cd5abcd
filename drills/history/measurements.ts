import type { History } from './history.ts';

/** In ms since the drill began. */
export interface TimeWindow {
  readonly fromMs: number;
  readonly toMs: number;
}

/** From the beginning of a fault to its end. */
export interface FaultWindow extends TimeWindow {
  toMs: number;
  /** Slots whose urls server is down during the fault. */
  readonly slotsDown: ReadonlySet<number>;
}

/** A time in which no producer held a shard, from the notice that its lock was gone to the next lock. */
export interface Gap {
  readonly shard: string;
  readonly fromMs: number;
  /** Undefined while it lasts. */
  readonly toMs: number | undefined;
}

/** A part of a drill: when it began, and how many values `deadMs` had at that moment. */
export interface Part {
  readonly name: string;
  readonly fromMs: number;
  readonly deadBefore: number;
}

/** Keys that a killed mapper took with it, and how many it may have held. */
export interface Stranded {
  readonly keys: number;
  readonly bound: number;
}

/**
 * A urls server was put back to an older state at `toMs`: links of its slots that were acknowledged since
 * `fromMs` may be lost.
 */
export interface PutBack {
  readonly slots: ReadonlySet<number>;
  readonly fromMs: number;
  readonly toMs: number;
  /** `toMs` by the clock of this machine, which its servers share. */
  readonly at: Date;
}

export interface TimelineEvent {
  readonly ms: number;
  readonly event: string;
}

/**
 * What a drill measures while it runs, its events, and its violations. All times are in ms since the drill
 * began.
 */
export class Measurements {
  readonly timeline: TimelineEvent[] = [];
  readonly violations: string[] = [];
  /** For each shard that changed hands: from the fault until the next holder delivers. */
  readonly takeoversMs: number[] = [];
  /** For each shard that changed hands: from the fault until the next holder's lock. */
  readonly deadMs: number[] = [];
  readonly windows: FaultWindow[] = [];
  /** Times with the load of a fault and without the fault, to compare with. */
  readonly calms: TimeWindow[] = [];
  readonly parts: Part[] = [];
  readonly stranded: Stranded[] = [];
  /** Stores into which the drill put older data: the epochs and parts that they report may fall. */
  readonly restored = new Set<string>();
  readonly putBack: PutBack[] = [];
  /** The end of the last fault that made mappers refuse requests. Undefined if the drill has none. */
  healedMs: number | undefined;
  readonly #history: History;
  readonly #onEvent: (event: string) => void;

  constructor(history: History, onEvent: (event: string) => void) {
    this.#history = history;
    this.#onEvent = onEvent;
  }

  get nowMs(): number {
    return this.#history.nowMs;
  }

  event(event: string): void {
    const { nowMs } = this;
    this.timeline.push({ ms: Math.round(nowMs), event });
    this.#history.append({ op: 'event', at: nowMs, event });
    this.#onEvent(event);
  }

  violation(what: string): void {
    this.violations.push(what);
    this.event(`VIOLATION: ${what}`);
  }

  beginPart(name: string): void {
    this.event(`part: ${name}`);
    this.parts.push({ name, fromMs: this.nowMs, deadBefore: this.deadMs.length });
  }

  /** Begins a fault. Its window ends when the returned function is called. */
  beginFault(what: string, slotsDown: readonly number[] = []): () => void {
    this.event(what);
    const window = { fromMs: this.nowMs, toMs: Infinity, slotsDown: new Set(slotsDown) };
    this.windows.push(window);
    return () => {
      window.toMs = Math.min(window.toMs, this.nowMs);
    };
  }
}
