import type { ServerResponse } from 'node:http';

/** The characters that Node refuses in a header. */
const UNSAFE = /[^\t\x20-\x7e\x80-\xff]/;

/** Whether Node accepts `value` as the value of a header. */
export function isHeaderValue(value: string): boolean {
  return !UNSAFE.test(value);
}

/**
 * Writes a whole answer to its connection in one write. `writeHead` and `end` take longer than everything
 * else that a redirect from memory needs. The bytes are those that Node would have written; the differential
 * test compares both.
 */
export class WholeAnswers {
  readonly #keepAlive: string;
  #ending = '';
  #endingUntilMs = 0;

  constructor(keepAliveTimeoutMs: number) {
    this.#keepAlive = `Connection: keep-alive\r\nKeep-Alive: timeout=${Math.floor(keepAliveTimeoutMs / 1_000)}`;
  }

  /**
   * @returns false, with nothing written, when the connection ends with this answer or an earlier answer is
   *   not finished
   * @param head status line and headers without the last line break, all checked; Date and the connection's
   *   headers are added
   * @param body ASCII; the head states its length
   */
  tryWrite(response: ServerResponse, head: string, body = ''): boolean {
    const { socket } = response;
    if (socket === null || !response.shouldKeepAlive || response.destroyed || !socket.writable) return false;
    socket.write(head + this.#endOfHead() + body, 'latin1');
    // Node emits this for its own answers. It frees the connection for the next request.
    response.emit('finish');
    return true;
  }

  /** Built once a second, because of the Date. */
  #endOfHead(): string {
    const nowMs = Date.now();
    if (nowMs >= this.#endingUntilMs || nowMs < this.#endingUntilMs - 1_000) {
      this.#endingUntilMs = nowMs - (nowMs % 1_000) + 1_000;
      this.#ending = `\r\nDate: ${new Date(nowMs).toUTCString()}\r\n${this.#keepAlive}\r\n\r\n`;
    }
    return this.#ending;
  }
}
