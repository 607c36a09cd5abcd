import { createConnection, type Socket } from 'node:net';
import { monotonicMs } from '../../runtime/clock.ts';
import { KeymillError } from '../../runtime/errors.ts';

export interface LoadOptions {
  readonly url: string;
  readonly connections: number;
  readonly durationMs: number;
  /** Head and body of the n-th request, without `Host`. */
  readonly request: (n: number) => { method: string; path: string; body?: string };
  /** The status that counts; any other ends the run. */
  readonly expect: number;
  readonly onBody?: (body: string) => void;
  readonly signal: AbortSignal;
}

export interface LoadResult {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/**
 * Keep-alive connections that each send the next request when the last is answered. On bare sockets: Node's own HTTP client
 * costs more than the server under test, and both share this machine.
 *
 * @throws KeymillError at the first answer with another status, or a lost connection
 */
export async function load(options: LoadOptions): Promise<LoadResult> {
  const { hostname, port } = new URL(options.url);
  const latencies: number[] = [];
  const startedMs = monotonicMs();
  const endMs = startedMs + options.durationMs;
  let sent = 0;
  await Promise.all(
    Array.from({ length: options.connections }, async () => {
      const client = new Client(createConnection({ host: hostname, port: Number(port), noDelay: true }));
      try {
        while (monotonicMs() < endMs) {
          options.signal.throwIfAborted();
          const sentMs = monotonicMs();
          const { status, body } = await client.send(format(options.request(sent++), hostname));
          if (status !== options.expect) {
            throw new KeymillError(
              'BENCH_FAILED',
              `expected status ${options.expect}, got ${status}: ${body.slice(0, 300)}`,
            );
          }
          latencies.push(monotonicMs() - sentMs);
          options.onBody?.(body);
        }
      } finally {
        client.close();
      }
    }),
  );
  const elapsedMs = monotonicMs() - startedMs;
  latencies.sort((a, b) => a - b);
  const quantile = (q: number): number =>
    latencies[Math.min(latencies.length - 1, Math.floor(q * latencies.length))] ?? 0;
  return { perSecond: (latencies.length * 1_000) / elapsedMs, p50Ms: quantile(0.5), p99Ms: quantile(0.99) };
}

function format(
  { method, path, body }: { method: string; path: string; body?: string },
  host: string,
): string {
  const head = `${method} ${path} HTTP/1.1\r\nhost: ${host}\r\n`;
  if (body === undefined) return `${head}\r\n`;
  return `${head}content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

/** One connection with one request in flight. Understands answers with a content-length, which are all that a mapper gives. */
class Client {
  readonly #socket: Socket;
  #received = '';
  #waiting: { resolve: (answer: Answer) => void; reject: (error: Error) => void } | undefined;
  #failure: Error | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    // One byte is one character, so that lengths agree.
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => this.#receive(chunk));
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('the server closed the connection')));
  }

  async send(request: string): Promise<Answer> {
    if (this.#failure) throw this.#failure;
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#socket.write(request);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #receive(chunk: string): void {
    this.#received += chunk;
    const headEnd = this.#received.indexOf('\r\n\r\n');
    if (headEnd < 0) return;
    const length = Number(/^content-length: *(\d+)/im.exec(this.#received.slice(0, headEnd))?.[1] ?? 0);
    const end = headEnd + 4 + length;
    if (this.#received.length < end) return;
    const answer = {
      status: Number(this.#received.slice(9, 12)),
      body: this.#received.slice(headEnd + 4, end),
    };
    this.#received = this.#received.slice(end);
    this.#waiting?.resolve(answer);
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#waiting?.reject(this.#failure);
  }
}
