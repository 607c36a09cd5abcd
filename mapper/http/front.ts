import type { Socket } from 'node:net';
import type { AnswerEnds } from './answer-ends.ts';
import type { Head } from './answer-head.ts';
import { KEEP_ALIVE_GRACE_MS, type ServerLimits } from './limits.ts';
import { Pipeline, type Turns } from './pipeline.ts';
import { headOf, type PreparedAnswer } from './plain-answer.ts';
import { headerIn, queryIn } from './raw-head.ts';
import type { Reply } from './reply.ts';
import type { Find, UsualRequest } from './usual-request.ts';

/**
 * Answers a usual request, now or later.
 * @param text the chunk in which it was found, one character for each byte
 * @returns false, or a promise of it that never rejects, when Node's parser must read the request
 */
export type FrontHandler = (request: UsualRequest, text: string, reply: Reply) => boolean | Promise<boolean>;

export interface FrontOptions {
  /** How requests of a connection are found and answered: asked once, when its client has connected. */
  readonly rulesFor: (socket: Socket) => { readonly find: Find; readonly handle: FrontHandler };
  readonly ends: AnswerEnds;
  readonly turns: Turns;
  readonly limits: ServerLimits;
  /** Gives a connection to Node's HTTP server for good. */
  readonly handOver: (socket: Socket) => void;
  /** Answers a client that has sent nothing since it connected, and closes. Its connection is handed over. */
  readonly refuseSilent: (socket: Socket) => void;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/**
 * Answers usual requests at the socket, without the machinery of `node:http`, which is half of their cost. It
 * knows one form of request (`findUsualRequest`) and only whole ones. Whatever else arrives, it hands the
 * connection with its bytes to Node's HTTP server, for good, when all requests before are answered. So it
 * never judges, repairs or waits for bytes, and Node's time-outs hold for slow senders.
 */
export class Front {
  readonly options: FrontOptions;
  /** Those that are neither closed nor Node's. */
  readonly connections = new Set<FrontConnection>();
  readonly #sweep: NodeJS.Timeout;
  /** Set by each sweep: exact enough for time-outs, and free for a request. */
  nowMs: number;
  isLeaving = false;

  constructor(options: FrontOptions) {
    this.options = options;
    this.nowMs = options.now();
    const everyMs = Math.min(1_000, options.limits.headersTimeoutMs);
    // After a stall of the event loop, timers run before requests that have come meanwhile are read.
    const sweep = (): void => {
      // The connections that are accepted first are new.
      this.nowMs = options.now();
      setImmediate(() => this.#closeLate(everyMs));
    };
    this.#sweep = setInterval(sweep, everyMs).unref();
  }

  get size(): number {
    return this.connections.size;
  }

  /** Serves a connection that has just been accepted. */
  accept(socket: Socket): void {
    this.connections.add(new FrontConnection(socket, this));
  }

  /** From now on each answer is the last one of its connection (RFC 9112, 9.6). */
  leave(): void {
    this.isLeaving = true;
  }

  closeIdle(): void {
    for (const connection of this.connections) if (connection.isIdle) connection.peer.destroy();
  }

  /** Cuts every connection, and ends the sweeps. */
  close(): void {
    clearInterval(this.#sweep);
    for (const { peer } of this.connections) peer.destroy();
  }

  /**
   * Closes idle connections (RFC 9112, 9.5), and answers 408 to silent ones (RFC 9110, 15.5.9). One sweep
   * over all connections costs less than a timer for each request.
   */
  #closeLate(everyMs: number): void {
    const { limits, refuseSilent } = this.options;
    for (const connection of this.connections) {
      if (!connection.isIdle) continue;
      // At least: the time of the last sweep before is all that is known.
      const idleMs = this.nowMs - connection.idleSinceMs - everyMs;
      if (connection.hasAsked) {
        if (idleMs > limits.keepAliveTimeoutMs + KEEP_ALIVE_GRACE_MS) connection.peer.destroy();
      } else if (idleMs > limits.headersTimeoutMs) {
        connection.handOver();
        refuseSilent(connection.peer);
      }
    }
  }
}

/**
 * One connection of the front. It answers one request at a time, in order (RFC 9112, 9.3.2), so it is
 * itself the place where the answer goes. While an answer is due nothing else is looked at: bytes that come
 * meanwhile wait, and no more are read. It obeys the rules of a {@link Pipeline}, like Node's connections.
 */
class FrontConnection implements Reply {
  readonly peer: Socket;
  readonly #front: Front;
  readonly #rules: ReturnType<FrontOptions['rulesFor']>;
  readonly #pipeline: Pipeline;
  idleSinceMs: number;
  /** Whether a request has come. */
  hasAsked = false;
  /** What the client has sent and nobody has looked at. While there is any, the socket is not read. */
  #rest: Buffer | undefined;
  /** The client sends no more, but reads (RFC 9112, 9.6). */
  #hasEnded = false;
  #isAnswerDue = false;
  #isLooking = false;
  /** Too many bytes of answers wait for the client. */
  #isChoked = false;
  method = '';
  url = '';
  /** The chunk with the request that is being answered, and where in it the request begins. */
  head = '';
  headStart = 0;

  constructor(socket: Socket, front: Front) {
    this.peer = socket;
    this.#front = front;
    this.#rules = front.options.rulesFor(socket);
    this.#pipeline = new Pipeline(front.options.turns, () => this.#goOn());
    this.idleSinceMs = front.nowMs;
    socket.on('data', this.#onData).on('end', this.#onEnd).on('drain', this.#onDrain);
    // The stream closes itself after an error, and a client that has broken off needs no answer.
    socket.on('error', () => undefined).on('close', this.#onClose);
  }

  /** Whether nothing is due in either direction. */
  get isIdle(): boolean {
    return !this.#isAnswerDue && this.#rest === undefined && this.peer.writableLength === 0;
  }

  get query(): string | undefined {
    return queryIn(this.head, this.headStart);
  }

  header(name: string): string | undefined {
    return headerIn(this.head, this.headStart, name);
  }

  send(head: Head, body: string, first: string, second: string, third?: string): void {
    this.#write(head.toText(this.#finish(), first, second, third) + body, 'latin1');
  }

  sendPrepared(prepared: PreparedAnswer, requestId: string): void {
    const ending = this.#finish();
    // RFC 9110, 9.3.2.
    const body = this.method === 'HEAD' ? '' : prepared.body;
    // Only a body can have characters that a header cannot.
    this.#write(headOf(prepared, requestId) + ending + body, body === '' ? 'latin1' : 'utf8');
  }

  /** Gives the connection to Node, with the bytes that nobody has looked at. */
  handOver(): void {
    const [socket, rest] = [this.peer, this.#rest];
    this.#rest = undefined;
    socket.off('data', this.#onData).off('end', this.#onEnd).off('drain', this.#onDrain);
    socket.off('close', this.#onClose);
    this.#front.connections.delete(this);
    this.#front.options.handOver(socket);
    if (rest !== undefined) socket.emit('data', rest);
    // In a turn of its own, as a FIN has that Node reads.
    if (this.#hasEnded) setImmediate(() => socket.emit('end'));
    else if (socket.isPaused()) socket.resume();
  }

  readonly #onData = (chunk: Buffer): void => {
    // A stream that was paused can still emit what it has read before.
    this.#rest = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#goOn();
  };

  readonly #onEnd = (): void => {
    this.#hasEnded = true;
    if (!this.#isAnswerDue && this.#rest === undefined) this.peer.end();
  };

  readonly #onDrain = (): void => {
    this.#isChoked = false;
    this.#goOn();
  };

  readonly #onClose = (): void => void this.#front.connections.delete(this);

  /** Looks at what has come, until an answer is due, the turn is over, or nothing is left. */
  #goOn(): void {
    const bytes = this.#rest;
    if (bytes === undefined || this.#isLooking) return;
    if (this.#isAnswerDue) return void this.peer.pause();
    this.#isLooking = true;
    const text = bytes.toString('latin1');
    for (let at = 0; at < text.length && this.#mayBegin();) {
      const request = this.#rules.find(text, at);
      if (request === undefined && this.hasAsked && !/[^\r\n]/.test(text.slice(at))) {
        // Line breaks before a request are ignored (RFC 9112, 2.2). Node would soon call the request late.
        this.#rest = undefined;
        break;
      }
      this.head = text;
      this.headStart = at;
      if (request === undefined || !this.#begin(request, bytes)) {
        this.#rest = at === 0 ? bytes : bytes.subarray(at);
        this.handOver();
        return;
      }
      at = request.end;
    }
    this.#isLooking = false;
    const { peer: socket } = this;
    // Nothing after the last request is looked at (RFC 9112, 9.6).
    if (this.#pipeline.isEnding || socket.destroyed) this.#rest = undefined;
    if (this.#rest !== undefined) socket.pause();
    else if (this.#hasEnded && !this.#isAnswerDue) socket.end();
    else if (socket.isPaused()) socket.resume();
  }

  /** A method: V8 does not inline private getters, and asks its runtime for them. */
  #mayBegin(): boolean {
    if (this.#isAnswerDue || this.#isChoked || this.peer.destroyed) return false;
    return !this.#pipeline.isFull && !this.#pipeline.isEnding;
  }

  /** @returns false when Node must answer it */
  #begin(request: UsualRequest, bytes: Buffer): boolean {
    this.method = request.method;
    this.url = request.path;
    this.#rest = request.end < bytes.length ? bytes.subarray(request.end) : undefined;
    this.#isAnswerDue = true;
    this.#pipeline.began();
    const answers = this.#rules.handle(request, this.head, this);
    if (answers === false) return false;
    this.hasAsked = true;
    if (answers !== true) void this.#handBackUnless(answers, bytes.subarray(this.headStart, request.end));
    return true;
  }

  /** Gives the connection to Node after all, with the request, if nobody answers it. */
  async #handBackUnless(isAnswered: Promise<boolean>, request: Buffer): Promise<void> {
    if ((await isAnswered) || this.peer.destroyed) return;
    this.#rest = this.#rest === undefined ? request : Buffer.concat([request, this.#rest]);
    this.handOver();
  }

  /** The request has its answer. @returns the headers of the connection */
  #finish(): string {
    const front = this.#front;
    this.#isAnswerDue = false;
    // Both may keep all that the client has sent.
    this.url = '';
    this.head = '';
    this.idleSinceMs = front.nowMs;
    this.#pipeline.answered();
    const isLast = front.isLeaving || (this.#hasEnded && this.#rest === undefined);
    if (isLast) this.#pipeline.end();
    return isLast ? front.options.ends.close : front.options.ends.keepAlive;
  }

  #write(text: string, encoding: BufferEncoding): void {
    if (this.peer.writable) {
      this.#isChoked = !this.peer.write(text, encoding);
      if (this.#pipeline.isEnding) this.peer.destroySoon();
    }
    this.#goOn();
  }
}
