import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { LinkRow } from '../../db/urls/link.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import type { Admission, Admit, LimitedClient } from '../http/admission.ts';
import { MAX_BODY_BYTES } from '../http/limits.ts';
import { isPlainBesideKey } from '../http/plain-request.ts';
import { answerError, type Reply } from '../http/reply.ts';
import type { RequestIds } from '../http/request-id.ts';
import type { UsualRequest } from '../http/usual-request.ts';
import { IDEMPOTENCY_KEY, type AnswerRepeatable, type RepeatableRequest } from './repeatable.ts';
import { CREATED, formatNewLink, type ShortenTally } from './shorten-answer.ts';
import type {
  PrepareRequest,
  ReadOwnRequest,
  ReadShortenRequest,
  ShortenRequest,
} from './shorten-request.ts';
import { overloaded } from './shorten-problems.ts';
import type { Shortener, ShortenObserver } from './shortener.ts';

/** Somebody who makes links with an API key. */
export interface KeyOwner {
  readonly userId: bigint;
  /** The public part of the key. */
  readonly keyId: string;
}

export interface FastShortenOptions {
  readonly shortener: Shortener;
  /** Reads a whole body. @throws Problem */
  readonly read: ReadShortenRequest;
  readonly readOwn: ReadOwnRequest;
  readonly prepare: PrepareRequest;
  /** Answers what asks for the link that there may be already. */
  readonly answerRepeatable: AnswerRepeatable;
  /**
   * Whose key an `Authorization` is, if memory knows that he may make links. Undefined: only the slow path
   * can say. A promise, which never rejects: memory does not know the key, and it is read.
   * @param client address of who sent it; undefined: it has no limits
   */
  readonly ownerOfKey: (
    authorization: string,
    client: string | undefined,
  ) => KeyOwner | Promise<KeyOwner | undefined> | undefined;
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
   * @param client undefined: it has no limits
   * @returns false when Koa must answer; otherwise this answers, later
   */
  tryAnswer(request: IncomingMessage, reply: Reply, client?: LimitedClient): boolean {
    const { headers } = request;
    const { authorization } = headers;
    if (request.url !== '/urls' || !isPlainBesideKey(request, headers) || !hasPlainBody(headers))
      return false;
    const owner =
      authorization === undefined ? undefined : this.#options.ownerOfKey(authorization, client?.address);
    if (owner instanceof Promise || (authorization !== undefined && owner === undefined)) return false;
    const givenId = headers['x-request-id'];
    if (client === undefined) this.#begin(reply, givenId, owner)?.receive(request);
    else this.#ask(client.admit, { reply, givenId, owner }, (exchange) => exchange.receive(request));
    return true;
  }

  /**
   * A usual request with its whole body.
   * @param body its bytes, one character each
   * @param client undefined: it has no limits
   * @returns false when Koa must answer; otherwise this answers, later. A promise, which never rejects, while
   * a key is read: Node would serve all further requests of the connection, at half the speed
   */
  tryBody(
    { path, authorization }: UsualRequest,
    body: string,
    reply: Reply,
    client?: LimitedClient,
  ): boolean | Promise<boolean> {
    if (path !== '/urls') return false;
    if (authorization === undefined) return this.#answer(body, reply, client?.admit, undefined);
    const owner = this.#options.ownerOfKey(authorization, client?.address);
    if (owner === undefined) return false;
    if (!(owner instanceof Promise)) return this.#answer(body, reply, client?.admit, owner);
    return owner.then((known) => known !== undefined && this.#answer(body, reply, client?.admit, known));
  }

  #answer(body: string, reply: Reply, admit: Admit | undefined, owner: KeyOwner | undefined): true {
    if (admit === undefined) this.#begin(reply, undefined, owner)?.received(body);
    else this.#ask(admit, { reply, givenId: undefined, owner }, (exchange) => exchange.received(body));
    return true;
  }

  /** Begins a request of a client with limits, when it is let in. */
  #ask(admit: Admit, request: Asking, go: (exchange: Exchange) => void): void {
    const { reply, givenId, owner } = request;
    if (this.#options.shortener.isFull) {
      this.#begin(reply, givenId, owner);
      return;
    }
    const admission = admit(reply, owner?.keyId);
    if (admission instanceof Promise)
      void admission.then((settled) => this.#beginAdmitted(settled, request, go));
    else this.#beginAdmitted(admission, request, go);
  }

  #beginAdmitted(
    { reply, refusal }: Admission,
    { givenId, owner }: Asking,
    go: (exchange: Exchange) => void,
  ): void {
    const exchange = new Exchange(this.#options, reply, givenId, owner);
    if (refusal === undefined) go(exchange);
    else exchange.refused(refusal);
  }

  /** @returns undefined when the request is refused already */
  #begin(
    reply: Reply,
    givenId: string | string[] | undefined,
    owner: KeyOwner | undefined,
  ): Exchange | undefined {
    const exchange = new Exchange(this.#options, reply, givenId, owner);
    if (!this.#options.shortener.isFull) return exchange;
    exchange.refused(overloaded());
    return undefined;
  }
}

/** A request of a client with limits, before it is let in. */
interface Asking {
  readonly reply: Reply;
  readonly givenId: string | string[] | undefined;
  readonly owner: KeyOwner | undefined;
}

/**
 * Whether the body is plain JSON, its length is stated and allowed, no page sends it (CORS), and no header
 * says that it may be repeated.
 */
function hasPlainBody(headers: IncomingHttpHeaders): boolean {
  const length = Number(headers['content-length']);
  const isAllowed = length > 0 && length <= MAX_BODY_BYTES;
  const isPlain = headers.origin === undefined && headers[IDEMPOTENCY_KEY] === undefined;
  return isAllowed && isPlain && headers['content-type'] === 'application/json';
}

/** One request until its answer. */
class Exchange implements ShortenObserver {
  readonly #options: FastShortenOptions;
  readonly #reply: Reply;
  readonly #requestId: string;
  /** Undefined: the link has none. */
  readonly #owner: KeyOwner | undefined;
  /** Whether the answer is the whole link. */
  #isWhole = false;
  readonly #startedMs = monotonicMs();

  constructor(
    options: FastShortenOptions,
    reply: Reply,
    givenId: string | string[] | undefined,
    owner: KeyOwner | undefined,
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
    request.on('end', () => this.received(body?.toString('latin1') ?? ''));
  }

  /** @param body its bytes, one character each */
  received(body: string): void {
    const { read, readOwn, prepare } = this.#options;
    const owner = this.#owner;
    let request;
    try {
      request = owner === undefined ? read(body) : readOwn(body, owner.userId);
    } catch (error) {
      this.refused(error);
      return;
    }
    if ('fields' in request) void this.#repeat(request);
    else if (request.password === undefined) this.#shorten(request);
    else
      void prepare(request).then(
        (prepared) => this.#shorten(prepared),
        (error: unknown) => this.refused(error),
      );
  }

  #shorten(request: ShortenRequest): void {
    this.#isWhole = request.isWhole === true;
    this.#options.shortener.begin(request, this);
  }

  async #repeat(request: RepeatableRequest): Promise<void> {
    const { answerRepeatable, shortens } = this.#options;
    try {
      const { head, body, shortUrl, result } = await answerRepeatable(request);
      this.#reply.send(head, body, this.#requestId, shortUrl, String(body.length));
      shortens.repeated(result, this.#startedMs);
    } catch (error) {
      this.refused(error);
    }
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
    answerError(this.#reply, error, { requestId: this.#requestId, log });
  }
}
