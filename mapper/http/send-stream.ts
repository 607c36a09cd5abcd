import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { StreamPace } from './limits.ts';
import { PacedWriter } from './paced-writer.ts';

/** A piece of an answer. Texts are sent as UTF-8. */
export type Piece = string | Uint8Array;

export interface SendOptions {
  /**
   * How many bytes may wait for the client while further pieces are asked for. With some, a client that first
   * sends a whole body and reads its answer afterwards does not wait for itself. Default: none.
   */
  readonly maxUnreadBytes?: number | undefined;
  readonly pace?: StreamPace | undefined;
  /**
   * Whether it ends when the client ends its side of the connection. An answer without an end is only for
   * clients that are there; any other goes also to those who send no more.
   */
  readonly endsWithClient?: boolean | undefined;
}

/** An answer whose first piece is there already. So an error in front of it is still an ordinary problem. */
export class BegunStream {
  readonly #pieces: AsyncIterator<Piece>;
  readonly #first: IteratorResult<Piece>;

  private constructor(pieces: AsyncIterator<Piece>, first: IteratorResult<Piece>) {
    this.#pieces = pieces;
    this.#first = first;
  }

  /** @throws the error of the first piece */
  static async begin(answer: AsyncIterable<Piece>): Promise<BegunStream> {
    const pieces = answer[Symbol.asyncIterator]();
    return new BegunStream(pieces, await pieces.next());
  }

  /** Nobody wants the rest. */
  async cancel(): Promise<void> {
    await this.#pieces.return?.();
  }

  /**
   * Sends all pieces. The next one is asked for when the client has taken those before. The header fields
   * must be set.
   *
   * Whatever ends it early cuts the connection before the end of the body, so that no client takes a part for
   * the whole.
   * @throws what ended it, when the connection is cut
   */
  async sendTo(response: ServerResponse, options: SendOptions = {}): Promise<void> {
    const { maxUnreadBytes = 0, pace, endsWithClient = false } = options;
    await whenItsTurn(response);
    const writer = new PacedWriter(response, pace);
    // Also while no piece is there: otherwise a client that has gone would be noticed at the next one.
    const onClosed = (): void => void this.cancel().catch(() => undefined);
    const { socket } = response.req;
    response.once('close', onClosed);
    if (endsWithClient) socket.once('end', onClosed);
    if (endsWithClient && socket.readableEnded) onClosed();
    try {
      for (let next = this.#first; next.done !== true; next = await this.#pieces.next()) {
        writer.add(Buffer.from(next.value));
        await writer.whenAtMost(maxUnreadBytes);
      }
      await writer.whenAtMost(0);
      response.end();
    } catch (error) {
      cut(response);
      throw error;
    } finally {
      writer.stop();
      response.off('close', onClosed);
      socket.off('end', onClosed);
      await this.cancel();
    }
  }
}

/**
 * Waits until the answers to all earlier requests of the connection are sent: a response has no socket before
 * that. Also returns when the connection is closed.
 */
export async function whenItsTurn(response: ServerResponse): Promise<void> {
  const { socket } = response.req;
  if (response.socket !== null || socket.destroyed) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  response.once('socket', resolve);
  const waiting = waitingOn(socket);
  waiting.add(resolve);
  await promise;
  waiting.delete(resolve);
}

const WAITING = new WeakMap<Socket, Set<() => void>>();

/** Called when the connection is closed. Many answers may wait: each with a listener would be too many. */
function waitingOn(socket: Socket): Set<() => void> {
  const known = WAITING.get(socket);
  if (known !== undefined) return known;
  const waiting = new Set<() => void>();
  WAITING.set(socket, waiting);
  socket.once('close', () => {
    for (const resolve of waiting) resolve();
  });
  return waiting;
}

/** HTTP/1.0 knows the end of a body by the end of the connection, so that must not look like one. */
function cut(response: ServerResponse): void {
  if (response.req.httpVersion === '1.0') response.socket?.resetAndDestroy();
  response.destroy();
}
