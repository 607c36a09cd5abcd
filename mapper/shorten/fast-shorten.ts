import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { Link } from '../../db/urls/link.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import { MAX_BODY_BYTES } from '../http/limits.ts';
import { answerError } from '../http/plain-answer.ts';
import { isPlain } from '../http/plain-request.ts';
import type { RequestIds } from '../http/request-id.ts';
import type { WholeAnswers } from '../http/whole-answer.ts';
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
  readonly answers: WholeAnswers;
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

  /** @returns false when Koa must answer; otherwise this answers, later */
  tryAnswer(request: IncomingMessage, response: ServerResponse): boolean {
    const { headers } = request;
    if (request.url !== '/urls' || !isPlain(request, headers) || !hasPlainBody(headers)) return false;
    const exchange = new Exchange(this.#options, response, headers['x-request-id']);
    if (this.#options.shortener.isFull) exchange.refused(overloaded());
    else exchange.receive(request);
    return true;
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
  readonly #response: ServerResponse;
  readonly #requestId: string;
  readonly #startedMs = monotonicMs();
  #body: Buffer | undefined;

  constructor(options: FastShortenOptions, response: ServerResponse, givenId: string | string[] | undefined) {
    this.#options = options;
    this.#response = response;
    this.#requestId = options.requestIds.of(givenId);
  }

  /** When the body breaks off, the client is gone and needs no answer. */
  receive(request: IncomingMessage): void {
    request.on('data', (chunk: Buffer) => {
      this.#body = this.#body === undefined ? chunk : Buffer.concat([this.#body, chunk]);
    });
    request.on('end', () => this.#received());
  }

  made(link: Link): void {
    try {
      const { publicUrl, shortens, answers } = this.#options;
      const shortUrl = `${publicUrl}/${link.key}`;
      const body = JSON.stringify(toLinkBody(link, shortUrl));
      const bytes = Buffer.byteLength(body);
      const length = String(bytes);
      const isAscii = bytes === body.length;
      const head = CREATED.toText(this.#requestId, shortUrl, length);
      if (!isAscii || !answers.tryWrite(this.#response, head, body)) {
        CREATED.write(this.#response, this.#requestId, shortUrl, length);
        this.#response.end(body);
      }
      shortens.created(this.#startedMs);
    } catch (error) {
      this.refused(error);
    }
  }

  refused(error: unknown): void {
    const { shortens, log } = this.#options;
    shortens.refused(error, this.#startedMs);
    answerError(this.#response, error, this.#requestId, log);
  }

  #received(): void {
    const { read, shortener } = this.#options;
    let request;
    try {
      request = read(this.#body ?? Buffer.alloc(0));
    } catch (error) {
      this.refused(error);
      return;
    }
    shortener.begin(request, this);
  }
}
