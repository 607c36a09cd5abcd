/** Who has sent a request, as its connection tells it. */
export interface ClickSender {
  /** Undefined: the connection is closed already. */
  readonly address: string | undefined;
  /** Whether it is a proxy of ours, which is believed about its clients. */
  readonly isProxy: boolean;
  /** For whom its requests count that it does not send for others. Undefined: find out. */
  readonly own?: string | undefined;
}

/** A click whose headers nobody has looked at. */
export interface RawClick {
  readonly key: string;
  /** Unix time in ms. */
  readonly atMs: number;
  /** A text with the header fields, from `headStart` on. Empty: they must not be looked at. */
  readonly head: string;
  readonly headStart: number;
  readonly sender: ClickSender | undefined;
}

/**
 * Clicks that wait until somebody looks at their headers: a bounded number, with a bounded size of their
 * texts. It is on the path of a redirect, so it only writes into arrays that exist.
 */
export class ClickRing {
  readonly #maxBytes: number;
  readonly #keys: string[];
  readonly #times: Float64Array;
  readonly #heads: string[];
  readonly #starts: Int32Array;
  readonly #senders: (ClickSender | undefined)[];
  /** What each head adds to the bytes. Requests that came together share one text. */
  readonly #weights: Int32Array;
  #room: number;
  #isFull = false;
  #first = 0;
  #size = 0;
  #bytes = 0;
  #lastHead = '';
  #lastStart = 0;
  #offered = 0;

  constructor({ capacity, maxBytes }: { readonly capacity: number; readonly maxBytes: number }) {
    this.#maxBytes = maxBytes;
    this.#room = capacity;
    this.#keys = Array.from({ length: capacity }, () => '');
    this.#heads = Array.from({ length: capacity }, () => '');
    this.#senders = Array.from({ length: capacity });
    this.#times = new Float64Array(capacity);
    this.#starts = new Int32Array(capacity);
    this.#weights = new Int32Array(capacity);
  }

  get size(): number {
    return this.#size;
  }

  /** How many clicks may wait. */
  get room(): number {
    return this.#room;
  }

  /** At most as many as there are places. Those that wait already stay. */
  set room(clicks: number) {
    this.#room = Math.min(clicks, this.#keys.length);
  }

  /** Whether the last click found no room. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /** All clicks that have ever come, also those that found no place. */
  get offered(): number {
    return this.#offered;
  }

  /** From 0, empty, to 1, full: of its places, or of its bytes. */
  get fill(): number {
    return Math.max(this.#size / this.#keys.length, this.#bytes / this.#maxBytes);
  }

  /** @returns false when it is full */
  push(key: string, atMs: number, head: string, headStart: number, sender: ClickSender | undefined): boolean {
    this.#offered += 1;
    if (this.#size >= this.#room) return this.#refuse();
    // Two texts may be equal and still be two texts, each in memory. In one, requests follow each other.
    const isShared = head === this.#lastHead && headStart > this.#lastStart;
    const weight = isShared ? 0 : head.length;
    if (this.#bytes + weight > this.#maxBytes) return this.#refuse();
    this.#isFull = false;
    let at = this.#first + this.#size;
    if (at >= this.#keys.length) at -= this.#keys.length;
    this.#keys[at] = key;
    this.#times[at] = atMs;
    this.#heads[at] = head;
    this.#starts[at] = headStart;
    this.#senders[at] = sender;
    this.#weights[at] = weight;
    this.#lastHead = head;
    this.#lastStart = headStart;
    this.#bytes += weight;
    this.#size += 1;
    return true;
  }

  #refuse(): false {
    this.#isFull = true;
    return false;
  }

  /** Takes the oldest one. Undefined: it is empty. */
  take(): RawClick | undefined {
    if (this.#size === 0) return undefined;
    const at = this.#first;
    const click: RawClick = {
      key: this.#keys[at] as string,
      atMs: this.#times[at] as number,
      head: this.#heads[at] as string,
      headStart: this.#starts[at] as number,
      sender: this.#senders[at],
    };
    // It must not keep requests and connections alive.
    this.#keys[at] = '';
    this.#heads[at] = '';
    this.#senders[at] = undefined;
    this.#bytes -= this.#weights[at] as number;
    this.#first = at + 1 === this.#keys.length ? 0 : at + 1;
    this.#size -= 1;
    if (this.#size === 0) this.#lastHead = '';
    return click;
  }
}
