import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';

/** An answer to one request. */
export interface Answer {
  readonly status: number;
  /** The whole answer, one byte a character. */
  readonly raw: string;
  readonly body: string;
}

/**
 * One keep-alive connection with at most one request in flight, on a bare socket. Node's own HTTP client
 * costs more CPU than the server under test.
 */
export class Connection {
  readonly #socket: Socket;
  #received = '';
  #onAnswer: ((answer: Answer) => void) | undefined;
  #onFailure: ((error: Error) => void) | undefined;
  #failure: Error | undefined;

  static async open(url: string): Promise<Connection> {
    const { hostname, port } = new URL(url);
    const socket = createConnection({ host: hostname, port: Number(port), noDelay: true });
    await once(socket, 'connect');
    return new Connection(socket);
  }

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => this.#receive(chunk));
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('the server closed the connection')));
  }

  get isFree(): boolean {
    return this.#onAnswer === undefined;
  }

  /** Sends immediately. A promise between the answer and the callback would add to the latency. */
  send(request: string, onAnswer: (answer: Answer) => void, onFailure: (error: Error) => void): void {
    if (this.#failure !== undefined) return onFailure(this.#failure);
    this.#onAnswer = onAnswer;
    this.#onFailure = onFailure;
    this.#socket.write(request);
  }

  async ask(request: string): Promise<Answer> {
    return new Promise((resolve, reject) => this.send(request, resolve, reject));
  }

  close(): void {
    this.#socket.destroy();
  }

  #receive(chunk: string): void {
    this.#received += chunk;
    const text = this.#received;
    const headEnd = text.indexOf('\r\n\r\n');
    if (headEnd < 0) return;
    const end = headEnd + 4 + contentLength(text, headEnd);
    if (text.length < end) return;
    this.#received = text.slice(end);
    const onAnswer = this.#onAnswer;
    this.#onAnswer = undefined;
    onAnswer?.({
      status: Number(text.slice(9, 12)),
      raw: text.slice(0, end),
      body: text.slice(headEnd + 4, end),
    });
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    const isWaiting = this.#onAnswer !== undefined;
    this.#onAnswer = undefined;
    if (isWaiting) this.#onFailure?.(this.#failure);
  }
}

/** 0 without the header; every answer of a mapper has it. */
function contentLength(text: string, headEnd: number): number {
  const match = /\r\ncontent-length: *(\d+)/i.exec(text.slice(0, headEnd));
  return Number(match?.[1] ?? 0);
}
