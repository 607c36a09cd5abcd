import type { Context } from 'koa';
import { RandomIds } from '../../runtime/random-ids.ts';

const SHAPE = /^[\w.~+/=:@-]{1,128}$/;

/**
 * The `X-Request-Id` of every answer: the caller's id if it is safe to log and echo, otherwise a
 * random UUID.
 */
export class RequestIds {
  readonly #ids = RandomIds.uuid();

  /** @param given the request's own `X-Request-Id` */
  of(given: string | string[] | undefined): string {
    return typeof given === 'string' && SHAPE.test(given) ? given : this.#ids.next();
  }
}

/** The id that a request was given before its route ran. */
export function requestIdOf(ctx: Context): string {
  return ctx.state['requestId'] as string;
}
