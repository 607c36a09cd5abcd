import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Link } from '../../db/urls/link.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import type { Admission, Admit } from '../http/admission.ts';
import { MAX_BODY_BYTES } from '../http/limits.ts';
import { isPlain } from '../http/plain-request.ts';
import { answerError, type Reply } from '../http/reply.ts';
import type { RequestIds } from '../http/request-id.ts';
import { CREATED, toLinkBody, type ShortenTally } from './shorten-answer.ts';
import type { ReadShortenRequest } from './shorten-request.ts';
import { overloaded, type Shortener, type ShortenObserver } from './shortener.ts';

export interface FastShortenOptions {
  readonly shortener: Shortener;
  /** Reads a whole body. @throws Problem */
  readonly read: ReadShortenRequest;
  /** Origin of short URLs, without a slash at the end. */
  readonly publicUrl: string;
  readonly shortens: ShortenTally;
  readonly requestIds: RequestIds;
  readonly log: Log;
}

/**
 * `POST /urls` in front of Koa: reads the body directly from the request. One object carries the request to
 * its answer.
 *
 * Koa answers every request that is unusual in any way. A differential test compares the answers of both,
 * byte for byte.
 */
export class FastShorten {
  readonly #options: FastShortenOptions;

  constructor(options: FastShortenOptions) {
    this.#options = options;
  }

  /**
   * A request that Node has parsed.
   * @param admit undefined: its client has no limits
   * @returns false when Koa must answer; otherwise this answers, later
   */
  tryAnswer(request: IncomingMessage, reply: Reply, admit?: Admit): boolean {
    const { headers } = request;
    if (request.url !== '/urls' || !isPlain(request, headers) || !hasPlainBody(headers)) return false;
    const givenId = headers['x-request-id'];
    if (admit === undefined) this.#begin(reply, givenId)?.receive(request);
    else this.#ask(admit, reply, givenId, (exchange) => exchange.receive(request));
    return true;
  }

  /**
   * A usual request with its whole body.
   * @param admit undefined: its client has no limits
   * @returns false when Koa must answer; otherwise this answers, later
   */
  tryBody(path: string, body: Buffer, reply: Reply, admit?: Admit): boolean {
    if (path !== '/urls') return false;
    if (admit === undefined) this.#begin(reply, undefined)?.received(body);
    else this.#ask(admit, reply, undefined, (exchange) => exchange.received(body));
    return true;
  }

  /** Begins a request of a client with limits, when it is let in. */
  #ask(
    admit: Admit,
    reply: Reply,
    givenId: string | string[] | undefined,
    go: (exchange: Exchange) => void,
  ): void {
    if (this.#options.shortener.isFull) {
      this.#begin(reply, givenId);
      return;
    }
    const admission = admit(reply);
    if (admission instanceof Promise)
      void admission.then((settled) => this.#beginAdmitted(settled, givenId, go));
    else this.#beginAdmitted(admission, givenId, go);
  }

  #beginAdmitted(
    { reply, refusal }: Admission,
    givenId: string | string[] | undefined,
    go: (exchange: Exchange) => void,
  ): void {
    const exchange = new Exchange(this.#options, reply, givenId);
    if (refusal === undefined) go(exchange);
    else exchange.refused(refusal);
  }

  /** @returns undefined when the request is refused already */
  #begin(reply: Reply, givenId: string | string[] | undefined): Exchange | undefined {
    const exchange = new Exchange(this.#options, reply, givenId);
    if (!this.#options.shortener.isFull) return exchange;
    exchange.refused(overloaded());
    return undefined;
  }
}

/** Whether the body is plain JSON, its length is stated and allowed, and no page sends it (CORS). */
function hasPlainBody(headers: IncomingHttpHeaders): boolean {
  const length = Number(headers['content-length']);
  const isAllowed = length > 0 && length <= MAX_BODY_BYTES;
  return isAllowed && headers['content-type'] === 'application/json' && headers.origin === undefined;
}

/** One request until its answer. */
class Exchange implements ShortenObserver {
  readonly #options: FastShortenOptions;
  readonly #reply: Reply;
  readonly #requestId: string;
  readonly #startedMs = monotonicMs();

  constructor(options: FastShortenOptions, reply: Reply, givenId: string | string[] | undefined) {
    this.#options = options;
    this.#reply = reply;
    this.#requestId = options.requestIds.of(givenId);
  }

  /** When the body breaks off, the client is gone and needs no answer. */
  receive(request: IncomingMessage): void {
    let body: Buffer | undefined;
    request.on('data', (chunk: Buffer) => {
      body = body === undefined ? chunk : Buffer.concat([body, chunk]);
    });
    request.on('end', () => this.received(body ?? Buffer.alloc(0)));
  }

  received(body: Buffer): void {
    const { read, shortener } = this.#options;
    let request;
    try {
      request = read(body);
    } catch (error) {
      this.refused(error);
      return;
    }
    shortener.begin(request, this);
  }

  made(link: Link): void {
    const { publicUrl, shortens } = this.#options;
    try {
      const shortUrl = `${publicUrl}/${link.key}`;
      // ASCII, because addresses and keys are.
      const body = JSON.stringify(toLinkBody(link, shortUrl));
      this.#reply.send(CREATED, body, this.#requestId, shortUrl, String(body.length));
      shortens.created(this.#startedMs);
    } catch (error) {
      this.refused(error);
    }
  }

  refused(error: unknown): void {
    const { shortens, log } = this.#options;
    shortens.refused(error, this.#startedMs);
    answerError(this.#reply, error, this.#requestId, log);
  }
}
