import { monotonicMs } from '../../runtime/clock.ts';
import { DeadlineError } from '../../runtime/errors.ts';
import { withDeadline } from '../../runtime/retry.ts';

/** Our haproxy waits 15 s for an answer. */
const ANSWER_MS = 12_000;
/** Of these, what is kept for binding the link and the last look at its bytes. */
const BIND_MS = 3_000;

/**
 * The time for everything behind the last byte of an upload: to check it, to store it, and to bind its link.
 * An image that is bound after a proxy has given up has a token that nobody knows, and is posted again.
 */
export class UploadDeadline {
  readonly #endMs: number;

  /** It begins now. @param answerMs only tests have another */
  constructor(answerMs = ANSWER_MS) {
    this.#endMs = monotonicMs() + answerMs;
  }

  /** How long all that is left may take, in milliseconds. */
  get leftMs(): number {
    return Math.max(1, this.#endMs - monotonicMs());
  }

  /**
   * Work after which a link is bound. When it is late it goes on, and its result is dropped.
   * @param what names it in the error
   * @throws DeadlineError when there would be too little time for the link
   */
  async beforeBind<T>(what: string, work: () => Promise<T>): Promise<T> {
    const leftMs = this.#endMs - BIND_MS - monotonicMs();
    if (leftMs <= 0) throw new DeadlineError(what, 0);
    return withDeadline(what, leftMs, work);
  }

  /** The last work of an upload, like {@link beforeBind}. @throws DeadlineError */
  async atLast<T>(what: string, work: () => Promise<T>): Promise<T> {
    return withDeadline(what, this.leftMs, work);
  }
}
