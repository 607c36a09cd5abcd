/**
 * The headers that follow those of an answer: Date, and what becomes of the connection. The bytes are those
 * that Node would have written. Built once a second, because of the Date.
 */
export class AnswerEnds {
  readonly #keepAliveSeconds: number;
  /** Empty: the second for which it was built is over. */
  #keepAlive = '';
  #close = '';

  constructor(keepAliveTimeoutMs: number) {
    this.#keepAliveSeconds = Math.floor(keepAliveTimeoutMs / 1_000);
  }

  /** From the line break behind the last header to the empty line before the body. */
  get keepAlive(): string {
    if (this.#keepAlive === '') this.#build();
    return this.#keepAlive;
  }

  /** The same for the last answer of a connection. */
  get close(): string {
    if (this.#keepAlive === '') this.#build();
    return this.#close;
  }

  /** Until the next second begins. As in Node, a timer costs less than to ask the clock for each answer. */
  #build(): void {
    const now = new Date();
    const date = `\r\nDate: ${now.toUTCString()}\r\n`;
    this.#keepAlive = `${date}Connection: keep-alive\r\nKeep-Alive: timeout=${this.#keepAliveSeconds}\r\n\r\n`;
    this.#close = `${date}Connection: close\r\n\r\n`;
    setTimeout(() => (this.#keepAlive = ''), 1_000 - now.getMilliseconds()).unref();
  }
}
