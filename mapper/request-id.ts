import { randomUUID } from 'node:crypto';

const SHAPE = /^[\w.~+/=:@-]{1,128}$/;

/** Three hexadecimal digits: how many ids share their random beginning. */
const RUN_LENGTH = 16 ** 3;
const ENDINGS = Array.from({ length: RUN_LENGTH }, (_, n) => n.toString(16).padStart(3, '0'));

/**
 * The name every answer carries as `X-Request-Id`: the caller's, if it is one that can be logged and echoed safely, else a new one.
 *
 * New ones look like UUIDs, 4,096 at a time with the same random 33 characters: unique like those, and one addition of two
 * strings each instead of a random number spelt out (see docs/decisions/0007).
 */
export class RequestIds {
  #beginning = '';
  #used = RUN_LENGTH;

  /** @param given the request's own `X-Request-Id` */
  of(given: string | string[] | undefined): string {
    if (typeof given === 'string' && SHAPE.test(given)) return given;
    if (this.#used === RUN_LENGTH) {
      this.#beginning = randomUUID().slice(0, -3);
      this.#used = 0;
    }
    const ending = ENDINGS[this.#used] as string;
    this.#used += 1;
    return this.#beginning + ending;
  }
}
