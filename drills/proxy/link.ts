import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** The current faults of a proxy. All its links share this object and read it again for every piece. */
export interface LinkFaults {
  silent: boolean;
  mute: boolean;
  delayMs: number;
  cutAfterBytes?: number;
  cutBeforeReplyTo?: (sent: Buffer) => boolean;
  silenceFrom?: (sent: Buffer) => boolean;
  mangle?: (piece: Buffer) => Buffer;
  drips?: Drips;
  whenAnswered?: { readonly isRequest: (sent: Buffer) => boolean; readonly tell: () => void };
}

/** How slowly answers are forwarded. */
export interface Drips {
  readonly bytes: number;
  readonly everyMs: number;
}

/** A chunk of data, or the end of the stream. */
type Piece = Buffer | 'end';

interface Direction {
  readonly from: Socket;
  readonly to: Socket;
  readonly held: Piece[];
  heldBytes: number;
  isBusy: boolean;
}

/** Above this we stop reading from the sender, as a full TCP window does. */
const MAX_HELD_BYTES = 4 * 1024 * 1024;

/** One connection of a client, through the proxy to the server. */
export class Link {
  readonly #faults: LinkFaults;
  readonly #client: Socket;
  readonly #server: Socket | undefined;
  readonly #directions: Direction[] = [];
  readonly #onGone: () => void;
  /** The answer to the request just sent must not reach the client. */
  #cutsNextReply = false;
  /** Called with the answer to the request just sent, which must not reach the client either. */
  #atNextReply: (() => void) | undefined;
  #isGone = false;

  constructor(
    client: Socket,
    target: { host: string; port: number },
    faults: LinkFaults,
    onGone: () => void,
  ) {
    this.#faults = faults;
    this.#client = client;
    this.#onGone = onGone;
    client.on('error', () => this.#lost());
    if (faults.mute) {
      client.resume();
      client.on('end', () => this.cut());
      return;
    }
    client.setNoDelay();
    this.#server = connect({ ...target, allowHalfOpen: true, noDelay: true });
    this.#server.on('error', () => this.#lost());
    this.#join(client, this.#server, (piece) => this.#onRequest(piece));
    this.#join(this.#server, client, (piece) => this.#onAnswer(piece));
  }

  /** Resets both sides. */
  cut(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    for (const direction of this.#directions) direction.held.length = 0;
    reset(this.#client);
    if (this.#server !== undefined) reset(this.#server);
    this.#onGone();
  }

  /** Forwards the held pieces. */
  flush(): void {
    for (const direction of this.#directions) void this.#pump(direction);
  }

  #join(from: Socket, to: Socket, filter: (piece: Buffer) => Buffer | undefined): void {
    const direction: Direction = { from, to, held: [], heldBytes: 0, isBusy: false };
    this.#directions.push(direction);
    const hold = (piece: Piece): void => {
      direction.held.push(piece);
      direction.heldBytes += piece.length;
      if (direction.heldBytes > MAX_HELD_BYTES) from.pause();
      void this.#pump(direction);
    };
    from.on('data', (piece: Buffer) => {
      const kept = filter(piece);
      if (kept !== undefined) hold(kept);
    });
    from.on('end', () => hold('end'));
  }

  async #pump(direction: Direction): Promise<void> {
    if (direction.isBusy) return;
    direction.isBusy = true;
    while (!this.#isGone && !this.#faults.silent && direction.held.length > 0) {
      if (this.#faults.delayMs > 0) await delay(this.#faults.delayMs);
      if (this.#faults.silent) break;
      const piece = direction.held.shift();
      if (piece !== undefined) await this.#pass(direction, piece);
    }
    direction.isBusy = false;
    // A side that was reset during the silence: only now may the other side see it.
    if (!this.#faults.silent && (direction.from.errored || direction.to.errored)) this.cut();
  }

  async #pass(direction: Direction, piece: Piece): Promise<void> {
    direction.heldBytes -= piece.length;
    if (direction.heldBytes <= MAX_HELD_BYTES) direction.from.resume();
    if (piece === 'end') {
      await new Promise<void>((resolve) => {
        direction.to.end(resolve);
      });
      if (this.#directions.every(({ from, held }) => from.readableEnded && held.length === 0)) this.#finish();
      return;
    }
    for (const drop of this.#dropsOf(direction, piece)) {
      await new Promise<void>((resolve) => {
        direction.to.write(drop, () => resolve());
      });
      const { drips } = this.#faults;
      if (drop.length < piece.length && drips !== undefined) await delay(drips.everyMs);
      if (this.#isGone) return;
    }
  }

  /** Only answers drip. After the fault, what is left goes on in one piece. */
  *#dropsOf({ to }: Direction, piece: Buffer): Generator<Buffer> {
    for (let at = 0; at < piece.length;) {
      const { drips } = this.#faults;
      const end = drips === undefined || to !== this.#client ? piece.length : at + drips.bytes;
      yield piece.subarray(at, end);
      at = end;
    }
  }

  /** Both sides have ended their streams. */
  #finish(): void {
    this.#isGone = true;
    this.#client.destroy();
    this.#server?.destroy();
    this.#onGone();
  }

  #onRequest(piece: Buffer): Buffer {
    if (this.#faults.silenceFrom?.(piece) === true) {
      delete this.#faults.silenceFrom;
      this.#faults.silent = true;
    }
    if (this.#faults.cutBeforeReplyTo?.(piece) === true) {
      delete this.#faults.cutBeforeReplyTo;
      this.#cutsNextReply = true;
    }
    const { whenAnswered } = this.#faults;
    if (whenAnswered?.isRequest(piece) === true) {
      delete this.#faults.whenAnswered;
      this.#atNextReply = whenAnswered.tell;
    }
    return piece;
  }

  #onAnswer(piece: Buffer): Buffer | undefined {
    if (this.#atNextReply !== undefined && !isContinue(piece)) {
      const tell = this.#atNextReply;
      this.#atNextReply = () => undefined;
      tell();
      return undefined;
    }
    if (this.#cutsNextReply) {
      this.cut();
      return undefined;
    }
    const { cutAfterBytes } = this.#faults;
    if (cutAfterBytes === undefined) return this.#faults.mangle?.(piece) ?? piece;
    if (piece.length <= cutAfterBytes) {
      this.#faults.cutAfterBytes = cutAfterBytes - piece.length;
      return piece;
    }
    delete this.#faults.cutAfterBytes;
    this.#client.write(piece.subarray(0, cutAfterBytes), () => this.cut());
    return undefined;
  }

  /** Treats an error of either socket as a reset, and passes it on unless the network is silent. */
  #lost(): void {
    if (!this.#faults.silent) this.cut();
  }
}

/** Not yet an answer: an HTTP server asks for the body. */
function isContinue(piece: Buffer): boolean {
  return piece.toString('latin1', 0, 12) === 'HTTP/1.1 100';
}

/**
 * Resets a socket. A socket that is shutting down is only destroyed: a reset of it fails inside Node and
 * leaves a handle on which the exit of the process spins.
 */
function reset(socket: Socket): void {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}
