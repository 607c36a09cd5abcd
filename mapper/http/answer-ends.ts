/**
 * The headers that follow those of an answer: Date, and what becomes of the connection. The bytes are those
 * that Node would have written. Built once a second, because of the Date.
 */
export class AnswerEnds {
  readonly #keepAliveSeconds: number;
  #keepAlive = '';
  #close = '';
  #untilMs = 0;

  constructor(keepAliveTimeoutMs: number) {
    this.#keepAliveSeconds = Math.floor(keepAliveTimeoutMs / 1_000);
  }

  /** From the line break behind the last header to the empty line before the body. */
  get keepAlive(): string {
    this.#refresh();
    return this.#keepAlive;
  }

  /** The same for the last answer of a connection. */
  get close(): string {
    this.#refresh();
    return this.#close;
  }

  #refresh(): void {
    const nowMs = Date.now();
    // The wall clock can also be set back.
    if (nowMs < this.#untilMs && nowMs >= this.#untilMs - 1_000) return;
    this.#untilMs = nowMs - (nowMs % 1_000) + 1_000;
    const date = `\r\nDate: ${new Date(nowMs).toUTCString()}\r\n`;
    const keepAlive = `Connection: keep-alive\r\nKeep-Alive: timeout=${this.#keepAliveSeconds}\r\n\r\n`;
    this.#keepAlive = date + keepAlive;
    this.#close = `${date}Connection: close\r\n\r\n`;
  }
}
