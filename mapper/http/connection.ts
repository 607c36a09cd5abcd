import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { AnswerEnds } from './answer-ends.ts';
import { BYTES_PER_CHUNK, LINGER_MS, MAX_CHUNKS, REQUESTS_PER_TURN, SLOW_REQUEST_COST } from './limits.ts';
import { watchBody, type Parser } from './node-parser.ts';
import { Pipeline, type Turns } from './pipeline.ts';
import { answer, closingAnswer, prepareProblem } from './plain-answer.ts';
import { Problem, type ProblemKind } from './problem.ts';

/**
 * One connection of the HTTP server. It makes Node's parser obey the rules of a {@link Pipeline}, and answers
 * bytes that are not a request after all requests before them.
 *
 * Node parses a chunk of up to 64 KiB, which can hold 2,000 requests, without a pause. It can be stopped in
 * a way that it does not document, and that only this file knows. When `onIncoming` returns the parser's code
 * for a pause, Node reports a parse error with that code and with the bytes that are left. When they are
 * emitted as data later, it goes on.
 */
export class Connection {
  /** For answers that are written at once, without Node. */
  readonly ends: AnswerEnds;
  readonly #socket: HttpSocket;
  readonly #pipeline: Pipeline;
  /** The newest request's response, until it is answered and its body has arrived. */
  #newest: ServerResponse | undefined;
  /** Bytes that are not parsed yet. While there are any, the socket is not read. */
  #rest: Buffer | undefined;
  /** The newest request whose body comes in chunks, and how many of them have come. */
  #chunked: IncomingMessage | undefined;
  #chunks = 0;
  #chunkBytes = 0;
  /** The newest request whose body is read as a stream: its handler decides how long it may take. */
  #streamed: IncomingMessage | undefined;
  /** What Node does at FIN. */
  readonly #nodeEnds: readonly Function[];
  #hasEnded = false;

  /** Attaches itself to a connection that Node's server has just received. */
  constructor(socket: Socket, ends: AnswerEnds, turns: Turns) {
    this.ends = ends;
    this.#pipeline = new Pipeline(turns, () => this.#goOn());
    this.#socket = socket;
    this.#socket[CONNECTION] = this;
    this.#stopParserWhenFull();
    const destroySoon = socket.destroySoon.bind(socket);
    // Node calls it when the last answer has gone out.
    socket.destroySoon = () => {
      if (this.#awaitsBody || this.#rest !== undefined) this.#closeWith('');
      else destroySoon();
    };
    // Node resumes a socket after each request, for more of a body, and when answers have gone out.
    socket.on('resume', () => {
      if (this.#rest === undefined) return;
      this.#stopReading();
      this.#goOn();
    });
    this.#nodeEnds = socket.listeners('end');
    socket.removeAllListeners('end').on('end', () => {
      this.#hasEnded = true;
      if (this.#rest === undefined) this.#end();
    });
  }

  /**
   * The client sends no more, but reads, and all that it has sent is parsed. Node closes after the last
   * answer, so this should say it.
   */
  #end(): void {
    for (const listener of this.#nodeEnds) Reflect.apply(listener, this.#socket, []);
    this.#pipeline.end();
    if (this.#newest?.headersSent === false) this.#newest.shouldKeepAlive = false;
  }

  /** A request has begun. Tell `end` when its answer closes the connection. */
  began(response: ServerResponse): void {
    this.#newest = response;
    this.#pipeline.began();
  }

  /**
   * The newest request takes the slow path, and counts as several in this turn. One with chunks is the only
   * one of its turn, because a segment can hold 10,000 chunks.
   */
  weigh(request: IncomingMessage): void {
    const isChunked = request.headers['transfer-encoding'] !== undefined;
    this.#pipeline.costs(isChunked ? REQUESTS_PER_TURN : SLOW_REQUEST_COST);
    if (!isChunked) return;
    if (this.#chunked === undefined) watchBody(this.#socket, (bytes) => this.#takesChunk(bytes));
    this.#chunked = request;
    this.#chunks = 0;
    this.#chunkBytes = 0;
  }

  /** The body of a request is read as a stream: it may take longer than other bodies. */
  takesTime(request: IncomingMessage): void {
    this.#streamed = request;
  }

  /** A piece of a body has arrived: a chunk, or a part of one. @returns false when it is one too many */
  #takesChunk(bytes: number): boolean {
    if (this.#newest?.req !== this.#chunked) return true;
    this.#chunks += 1;
    this.#chunkBytes += bytes;
    if (this.#chunks <= MAX_CHUNKS || this.#chunkBytes >= this.#chunks * BYTES_PER_CHUNK) return true;
    this.refuse(new Problem('malformed-request', { detail: TOO_MANY }));
    return false;
  }

  /** The newest request is the last one. */
  end(): void {
    this.#pipeline.end();
  }

  /** Called for each response, in order, when all of it is handed to the socket. */
  answered(response: ServerResponse): void {
    const isNewest = response === this.#newest;
    if (isNewest && !this.#awaitsBody) this.#newest = undefined;
    // Nobody reads the rest of a stream, which may have no end.
    else if (isNewest && response.req === this.#streamed && !this.#pipeline.isEnding)
      this.#pipeline.endWith(() => this.#closeWith(''));
    this.#pipeline.answered();
  }

  /** Node has stopped parsing: because we told it to, at bytes that are no request, or after a time-out. */
  parserStopped(error: ParseError): void {
    const socket = this.#socket;
    if (error.code === 'HPE_PAUSED' && error.rawPacket !== undefined) {
      // Closed by what stopped the parser. It is read on, and nothing is parsed any more.
      if (socket.writableEnded) return;
      // What follows the last request is never parsed.
      this.#rest = this.#pipeline.isEnding ? NOTHING : this.#unparsed(error.rawPacket, error.bytesParsed);
      this.#stopReading();
      return;
    }
    const isTimeout = error.code === 'ERR_HTTP_REQUEST_TIMEOUT';
    // Node says it once for each request.
    if (isTimeout && this.#awaitsBody && this.#newest?.req === this.#streamed) return;
    if (!socket.writable) {
      // It is closed already. A client that does not close its side either has had time for it.
      if (isTimeout || socket.writableFinished) socket.destroy();
      // A request whose bytes we did not take is not late.
    } else if (!isTimeout || this.#rest === undefined || this.#awaitsBody)
      this.refuse(new Problem(BROKEN[error.code ?? ''] ?? 'malformed-request'));
  }

  /**
   * A stream that Node has resumed emits what it has read before we can pause it again. The parser then
   * refuses the whole chunk, and its count of bytes means nothing.
   */
  #unparsed(chunk: Buffer, bytesParsed: number | undefined): Buffer {
    return this.#rest === undefined ? chunk.subarray(bytesParsed) : Buffer.concat([this.#rest, chunk]);
  }

  /**
   * Answers what cannot be handled as a request, after all answers that are due, and closes the connection.
   * If the body of the newest request is at fault, the problem is the answer to that request.
   */
  refuse(problem: Problem): void {
    const newest = this.#newest;
    this.#rest = NOTHING;
    this.#stopReading();
    if (newest !== undefined && this.#awaitsBody) {
      this.#pipeline.end();
      // A handler that needs no body answers before its first piece. Its promises run there when Node has
      // called the parser, but only after this when we have.
      const hasBodyBegun = newest.req === this.#chunked && this.#chunks > 0;
      if (hasBodyBegun) setImmediate(() => this.#refuseBody(newest, problem));
      else this.#refuseBody(newest, problem);
    } else if (!this.#pipeline.isEnding)
      this.#pipeline.endWith(() => this.#closeWith(closingAnswer(problem)));
  }

  /** The body of the newest request is at fault, and nothing can follow it. */
  #refuseBody(newest: ServerResponse, problem: Problem): void {
    // The handler still reads it, and its answer cannot be completed.
    if (newest.headersSent && newest.req === this.#streamed) newest.req.destroy();
    else if (newest.headersSent) this.#pipeline.endWith(() => this.#closeWith(''));
    else {
      newest.shouldKeepAlive = false;
      answer(newest, prepareProblem(problem), randomUUID());
      // The handler still waits for the body. Node tells it only when a request has no answer.
      this.#socket.once('close', () => newest.req.destroy());
    }
  }

  /** Whether bytes of the newest request's body are still to come. */
  get #awaitsBody(): boolean {
    const request = this.#newest?.req;
    return request !== undefined && !request.complete && !request.readableEnded;
  }

  #stopParserWhenFull(): void {
    const { parser } = this.#socket;
    if (!parser) return;
    const { onIncoming } = parser;
    const pipeline = this.#pipeline;
    parser.onIncoming = (request, shouldKeepAlive) => {
      if (pipeline.isEnding) return PAUSE;
      // Node destroys the socket here, and with it the answers that are due.
      if (request.method === 'PRI') {
        this.refuse(new Problem('malformed-request'));
        return PAUSE;
      }
      const result = onIncoming(request, shouldKeepAlive);
      // The body of the last request is still to come.
      return pipeline.isFull && !pipeline.isEnding ? PAUSE : result;
    };
  }

  /** Node stops at the event. A stream that counts as paused may be read nevertheless, and emits none. */
  #stopReading(): void {
    if (this.#socket.isPaused()) this.#socket.emit('pause');
    else this.#socket.pause();
  }

  /** Parses what is left, and reads on when nothing is. */
  #goOn(): void {
    const socket = this.#socket;
    const rest = this.#rest;
    // Node itself stops reading while a client does not take its answers.
    const mayGoOn = !this.#pipeline.isEnding && !this.#pipeline.isFull && socket[PAUSED_BY_NODE] !== true;
    if (rest === undefined || !mayGoOn || socket.destroyed || !socket.parser) return;
    this.#rest = undefined;
    socket.parser.resume();
    // Also when nothing is left: the end of the last request has not been reported yet.
    socket.emit('data', rest);
    if (this.#rest !== undefined) return;
    // In a turn of its own, as a FIN has that Node reads: a handler that needs no body answers before.
    if (this.#hasEnded) setImmediate(() => this.#end());
    else socket.resume();
  }

  /**
   * Sends the last bytes and reads on for a moment. A socket that is closed with unread bytes resets its
   * connection, and the client may lose the answer (RFC 9112, 9.6).
   */
  #closeWith(bytes: string): void {
    const socket = this.#socket;
    if (!socket.writable) return;
    this.#rest = undefined;
    socket.removeAllListeners('data').on('data', () => undefined);
    // From the last byte on: a slow client may need longer for a large answer.
    socket.end(bytes, () => setTimeout(() => socket.destroy(), LINGER_MS).unref());
    socket.resume();
  }
}

/** The connection that was attached to a socket of the HTTP server. */
export function connectionOf(socket: Socket): Connection | undefined {
  return (socket as HttpSocket)[CONNECTION];
}

/** Node's error for bytes that are not HTTP. `rawPacket` is the chunk; it is absent after a time-out. */
export interface ParseError extends NodeJS.ErrnoException {
  readonly rawPacket?: Buffer;
  readonly bytesParsed?: number;
}

const CONNECTION = Symbol('connection');

/** Where Node notes that it reads nothing because too many bytes of answers wait. */
const PAUSED_BY_NODE = '_paused';

type HttpSocket = Socket & {
  [CONNECTION]?: Connection;
  readonly parser?: Parser | null;
  readonly [PAUSED_BY_NODE]?: boolean;
};

const TOO_MANY = `The body has more than ${MAX_CHUNKS} chunks of fewer than ${BYTES_PER_CHUNK} bytes.`;

const NOTHING = Buffer.alloc(0);

/** HPE_PAUSED of llhttp. */
const PAUSE = 21;

/** By the code of Node's error. */
const BROKEN: Readonly<Record<string, ProblemKind>> = {
  HPE_HEADER_OVERFLOW: 'headers-too-large',
  HPE_INVALID_EOF_STATE: 'incomplete',
  ERR_HTTP_REQUEST_TIMEOUT: 'too-slow',
};
