import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { LinkRow } from '../../db/urls/link.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import { MAX_BODY_BYTES } from '../http/limits.ts';
import { isPlainBesideKey } from '../http/plain-request.ts';
import { answerError, type Reply } from '../http/reply.ts';
import type { RequestIds } from '../http/request-id.ts';
import { CREATED, formatNewLink, type ShortenTally } from './shorten-answer.ts';
import type { ReadOwnRequest, ReadShortenRequest } from './shorten-request.ts';
import { overloaded, type Shortener, type ShortenObserver } from './shortener.ts';

export interface FastShortenOptions {
  readonly shortener: Shortener;
  /** Reads a whole body. @throws Problem */
  readonly read: ReadShortenRequest;
  readonly readOwn: ReadOwnRequest;
  /**
   * Whose key an `Authorization` is, if memory knows that he may make links. Undefined: only the slow path
   * can say.
   */
  readonly ownerOfKey: (authorization: string) => bigint | undefined;
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

  /** A request that Node has parsed. @returns false when Koa must answer; otherwise this answers, later */
  tryAnswer(request: IncomingMessage, reply: Reply): boolean {
    const { headers } = request;
    const { authorization } = headers;
    if (request.url !== '/urls' || !isPlainBesideKey(request, headers) || !hasPlainBody(headers))
      return false;
    const owner = authorization === undefined ? undefined : this.#options.ownerOfKey(authorization);
    if (authorization !== undefined && owner === undefined) return false;
    const exchange = this.#begin(reply, headers['x-request-id'], owner);
    exchange?.receive(request);
    return true;
  }

  /**
   * A usual request with its whole body.
   * @param authorization the value of the header
   * @returns false when Koa must answer; otherwise this answers, later
   */
  tryBody(path: string, authorization: string | undefined, body: Buffer, reply: Reply): boolean {
    if (path !== '/urls') return false;
    const owner = authorization === undefined ? undefined : this.#options.ownerOfKey(authorization);
    if (authorization !== undefined && owner === undefined) return false;
    this.#begin(reply, undefined, owner)?.received(body);
    return true;
  }

  /** @returns undefined when the request is refused already */
  #begin(
    reply: Reply,
    givenId: string | string[] | undefined,
    owner: bigint | undefined,
  ): Exchange | undefined {
    const exchange = new Exchange(this.#options, reply, givenId, owner);
    if (!this.#options.shortener.isFull) return exchange;
    exchange.refused(overloaded());
    return undefined;
  }
}

/** Whether the body is JSON without parameters, and its length is stated and allowed. */
function hasPlainBody(headers: IncomingHttpHeaders): boolean {
  const length = Number(headers['content-length']);
  return headers['content-type'] === 'application/json' && length > 0 && length <= MAX_BODY_BYTES;
}

/** One request until its answer. */
class Exchange implements ShortenObserver {
  readonly #options: FastShortenOptions;
  readonly #reply: Reply;
  readonly #requestId: string;
  /** Undefined: the link has none. */
  readonly #owner: bigint | undefined;
  /** Whether the answer is the whole link. */
  #isWhole = false;
  readonly #startedMs = monotonicMs();

  constructor(
    options: FastShortenOptions,
    reply: Reply,
    givenId: string | string[] | undefined,
    owner: bigint | undefined,
  ) {
    this.#options = options;
    this.#reply = reply;
    this.#owner = owner;
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
    const { read, readOwn, shortener } = this.#options;
    const owner = this.#owner;
    let request;
    try {
      request = owner === undefined ? read(body) : readOwn(body, owner);
    } catch (error) {
      this.refused(error);
      return;
    }
    this.#isWhole = request.namesOwn === true;
    shortener.begin(request, this);
  }

  made(link: LinkRow): void {
    const { publicUrl, shortens } = this.#options;
    try {
      const shortUrl = `${publicUrl}/${link.key}`;
      const body = formatNewLink(link, shortUrl, this.#isWhole);
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
