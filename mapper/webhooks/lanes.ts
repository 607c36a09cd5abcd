/** Whose delivery wants a place. */
export interface Receiver {
  readonly id: string;
  readonly userId: bigint;
  /** Its last delivery failed. */
  readonly isFailing: boolean;
}

/** Gives a place back, once, with what was learned: whether the receiver answered well and soon. */
export type GiveBack = (isGood: boolean) => void;

interface Lane {
  readonly all: number;
  readonly ofUser: number;
  readonly ofWebhook: number;
}

/**
 * The deliveries under way at the same time. A receiver that has just answered well and soon is `good`, one
 * that has not is `bad`, and others are `unknown`. Each has places of its own. So receivers that hang hold up
 * others only once, until their first attempts have reached the deadline.
 */
export const LANES = {
  good: { all: 128, ofUser: 16, ofWebhook: 8 },
  unknown: { all: 64, ofUser: 2, ofWebhook: 1 },
  bad: { all: 64, ofUser: 4, ofWebhook: 1 },
} as const satisfies Record<string, Lane>;

type LaneName = keyof typeof LANES;

/** The receivers that were forgotten are unknown again. */
const MAX_KNOWN = 10_000;
/** Between two attempts at a bad receiver, however many events wait for it. */
const BAD_PAUSE_MS = 1_000;

/** Decides which deliveries may begin. It belongs to a process. */
export class Lanes {
  /** What the last delivery has shown; the receiver of the last one comes last. */
  readonly #known = new Map<string, { readonly lane: 'good' | 'bad'; readonly atMs: number }>();
  readonly #taken = { good: new Counts(), unknown: new Counts(), bad: new Counts() };
  /** Receivers that were given a place, the one of the last place last. */
  readonly #served = new Map<string, number>();
  #places = 0;
  readonly #now: () => number;

  /** @param now monotonic milliseconds */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Deliveries under way. */
  get size(): number {
    return Object.values(this.#taken).reduce((sum, { all }) => sum + all, 0);
  }

  /** How many more deliveries of a webhook may begin now. */
  free(receiver: Receiver): number {
    const known = this.#known.get(receiver.id);
    if (known?.lane === 'bad' && this.#now() - known.atMs < BAD_PAUSE_MS) return 0;
    const lane = this.#laneOf(receiver);
    const { all, ofUser, ofWebhook } = LANES[lane];
    const taken = this.#taken[lane];
    // Those that began in another lane count too.
    const ofAll = Object.values(this.#taken).reduce((sum, counts) => sum + counts.of(receiver.id), 0);
    const ofThisUser = taken.of(String(receiver.userId));
    return Math.max(0, Math.min(all - taken.all, ofUser - ofThisUser, ofWebhook - ofAll));
  }

  /**
   * Receivers in the order in which they should get places: first those whose last place is longest ago. In
   * any fixed order, the first ones would take all places if they hang.
   */
  inTurn(ids: readonly string[]): string[] {
    return ids.toSorted((a, b) => (this.#served.get(a) ?? 0) - (this.#served.get(b) ?? 0));
  }

  /** Takes a place of which {@link free} has said that it is there. */
  take(receiver: Receiver): GiveBack {
    const { id, userId } = receiver;
    const taken = this.#taken[this.#laneOf(receiver)];
    taken.add(id, String(userId), 1);
    putLast(this.#served, id, ++this.#places);
    return (isGood) => {
      taken.add(id, String(userId), -1);
      putLast(this.#known, id, { lane: isGood ? 'good' : 'bad', atMs: this.#now() });
    };
  }

  #laneOf({ id, isFailing }: Receiver): LaneName {
    return this.#known.get(id)?.lane ?? (isFailing ? 'bad' : 'unknown');
  }
}

/** Forgets the first one when there are too many. */
function putLast<Value>(map: Map<string, Value>, id: string, value: Value): void {
  map.delete(id);
  map.set(id, value);
  const [oldest] = map.keys();
  if (map.size > MAX_KNOWN && oldest !== undefined) map.delete(oldest);
}

/** Counts by name. A name with none needs no memory. */
class Counts {
  readonly #counts = new Map<string, number>();
  all = 0;

  of(name: string): number {
    return this.#counts.get(name) ?? 0;
  }

  add(id: string, userId: string, change: 1 | -1): void {
    this.all += change;
    for (const name of [id, userId]) {
      const count = this.of(name) + change;
      if (count === 0) this.#counts.delete(name);
      else this.#counts.set(name, count);
    }
  }
}
