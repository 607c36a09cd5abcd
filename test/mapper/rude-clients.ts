import { connect, type Socket } from 'node:net';

export const RUDE_KINDS = ['slow', 'stalled', 'halfOpen', 'silent', 'resetting'] as const;

export type RudeKind = (typeof RUDE_KINDS)[number];

const GET = 'GET /followed HTTP/1.1\r\nHost: x\r\n\r\n';
const BODY = '{"long_url":"https://example.com/rude"}';
const POST = `POST /urls HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`;

/** What a client has sent when it breaks off. */
const PARTS = [
  GET,
  GET + GET,
  GET.slice(0, 20),
  POST,
  POST.slice(0, -5),
  GET + POST + GET,
  GET.repeat(40),
  'GARBAGE',
];

const BYTE_EVERY_MS = 50;

/** Not at once: a turn of the mapper accepts one connection, so a flood of them is another attack. */
const AGAIN_AFTER_MS: Readonly<Record<RudeKind, number>> = {
  slow: 1_000,
  stalled: 1_000,
  halfOpen: 2_000,
  silent: 1_000,
  resetting: 100,
};

/**
 * Clients that keep a mapper busy without asking for much. Each connects again when its connection ends.
 *
 * - slow: sends its request byte by byte;
 * - stalled: sends as many requests as are taken, and reads nothing;
 * - half-open: sends a request, or nothing, and FIN; and does not close its side;
 * - silent: sends nothing;
 * - resetting: sends a part of a request or several requests, and breaks off.
 */
export class RudeClients implements Disposable {
  readonly #port: number;
  readonly #sockets = new Set<Socket>();
  readonly #slow = new Map<Socket, number>();
  readonly #stalled = new Set<Socket>();
  readonly #ticks: NodeJS.Timeout;
  #isOver = false;
  #resets = 0;

  constructor(port: number) {
    this.#port = port;
    this.#ticks = setInterval(() => this.#sendBytes(), BYTE_EVERY_MS);
  }

  get size(): number {
    return this.#sockets.size;
  }

  /** How often a client has broken off. */
  get resets(): number {
    return this.#resets;
  }

  /** Bytes that the mapper has taken from those who stall: no longer more when all are stuck. */
  get stalledBytes(): number {
    return [...this.#stalled].reduce((sum, { bytesWritten }) => sum + bytesWritten, 0);
  }

  add(kind: RudeKind, count: number): void {
    for (let index = 0; index < count; index += 1) this.#open(kind, index);
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    clearInterval(this.#ticks);
    for (const socket of this.#sockets) socket.destroy();
  }

  #open(kind: RudeKind, index: number): void {
    const socket = connect({ port: this.#port, host: '127.0.0.1', allowHalfOpen: true });
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#sockets.delete(socket);
      this.#slow.delete(socket);
      this.#stalled.delete(socket);
      if (!this.#isOver)
        setTimeout(() => this.#isOver || this.#open(kind, index), AGAIN_AFTER_MS[kind]).unref();
    });
    if (kind === 'stalled') this.#stalled.add(socket);
    else socket.resume();
    if (kind === 'slow') this.#slow.set(socket, 0);
    else if (kind === 'stalled') fill(socket);
    else if (kind === 'halfOpen') socket.end(index % 2 === 0 ? GET : '');
    else if (kind === 'resetting') {
      socket.write(PARTS[Math.floor(Math.random() * PARTS.length)] as string);
      setTimeout(() => {
        this.#resets += 1;
        socket.resetAndDestroy();
      }, Math.random() * 300);
    }
    // All others close when the mapper does.
    if (kind === 'slow' || kind === 'silent') socket.on('end', () => socket.end());
  }

  #sendBytes(): void {
    for (const [socket, sent] of this.#slow) {
      if (!socket.writable) continue;
      socket.write(GET[sent % GET.length] as string);
      this.#slow.set(socket, sent + 1);
    }
  }
}

function fill(socket: Socket): void {
  const many = Buffer.from(GET.repeat(1_000));
  socket.pause();
  const write = (): void => {
    while (!socket.destroyed && socket.write(many));
  };
  socket.on('drain', write);
  write();
}
