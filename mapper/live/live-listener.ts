export interface LiveListenerOptions {
  /** Asked again and again while it listens. Rejects when the client may listen no more. */
  readonly mayGoOn: () => Promise<unknown>;
  /** Called once, when it listens no more. */
  readonly onClosed: () => void;
}

/** Pieces that wait for a client. One that reads so slowly comes again later and is told their number. */
const MAX_WAITING = 40;

/** What one client is sent, piece by piece, until it goes or is sent away. */
export class LiveListener implements AsyncIterableIterator<Uint8Array> {
  readonly #options: LiveListenerOptions;
  #waiting: Uint8Array[] = [];
  #hasBegun = false;
  #isClosed = false;
  #isChecking = false;
  #wake = Promise.withResolvers<void>();

  constructor(options: LiveListenerOptions) {
    this.#options = options;
  }

  /** The first piece. Those that were added before come behind it. */
  begin(piece: Uint8Array): void {
    this.#waiting.unshift(piece);
    this.#hasBegun = true;
    this.#wake.resolve();
  }

  /** Drops what waits: it will be part of the first piece. */
  restart(): void {
    this.#waiting = [];
  }

  add(piece: Uint8Array): void {
    if (this.#isClosed) return;
    if (this.#waiting.length >= MAX_WAITING) {
      this.#waiting = [];
      this.close();
      return;
    }
    this.#waiting.push(piece);
    this.#wake.resolve();
  }

  /** Ends it when what waits is sent. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#hasBegun = true;
    this.#wake.resolve();
    this.#options.onClosed();
  }

  /** Ends it if its client may listen no more. Never rejects. */
  async check(): Promise<void> {
    if (this.#isChecking || this.#isClosed) return;
    this.#isChecking = true;
    try {
      await this.#options.mayGoOn();
    } catch {
      this.#waiting = [];
      this.close();
    }
    this.#isChecking = false;
  }

  async next(): Promise<IteratorResult<Uint8Array>> {
    while (!this.#isClosed && (!this.#hasBegun || this.#waiting.length === 0)) {
      await this.#wake.promise;
      this.#wake = Promise.withResolvers();
    }
    const waiting = this.#waiting;
    if (waiting.length === 0) return { done: true, value: undefined };
    this.#waiting = [];
    return { done: false, value: waiting.length === 1 ? (waiting[0] as Uint8Array) : Buffer.concat(waiting) };
  }

  /** The client has gone. */
  async return(): Promise<IteratorResult<Uint8Array>> {
    this.#waiting = [];
    this.close();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
