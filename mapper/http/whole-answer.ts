import type { ServerResponse } from 'node:http';

/** What no header may hold, by Node's own measure. */
const UNSAFE = /[^\t\x20-\x7e\x80-\xff]/;

/** Whether Node would take `value` for a header's. */
export function isHeaderValue(value: string): boolean {
  return !UNSAFE.test(value);
}

/**
 * Writes an answer as one text straight to its connection: `writeHead` and `end` take longer than all else a redirect from memory needs.
 * The bytes are those Node would have written; the differential test holds both ways to the same.
 */
export class WholeAnswers {
  readonly #keepAlive: string;
  #ending = '';
  #endingUntilMs = 0;

  constructor(keepAliveTimeoutMs: number) {
    this.#keepAlive = `Connection: keep-alive\r\nKeep-Alive: timeout=${Math.floor(keepAliveTimeoutMs / 1_000)}`;
  }

  /**
   * Answers, or says false and has written nothing: the connection ends with this answer, or an earlier one is still under way.
   * @param head status line and headers without the last line break, nothing unchecked in it; Date and those of the connection are added
   * @param body ASCII; the head tells its length
   */
  tryWrite(response: ServerResponse, head: string, body = ''): boolean {
    const { socket } = response;
    if (socket === null || !response.shouldKeepAlive || response.destroyed || !socket.writable) return false;
    socket.write(head + this.#endOfHead() + body, 'latin1');
    // As Node says it of an answer of its own making: the connection is free for the next request.
    response.emit('finish');
    return true;
  }

  /** Made once a second. */
  #endOfHead(): string {
    const nowMs = Date.now();
    if (nowMs >= this.#endingUntilMs || nowMs < this.#endingUntilMs - 1_000) {
      this.#endingUntilMs = nowMs - (nowMs % 1_000) + 1_000;
      this.#ending = `\r\nDate: ${new Date(nowMs).toUTCString()}\r\n${this.#keepAlive}\r\n\r\n`;
    }
    return this.#ending;
  }
}
