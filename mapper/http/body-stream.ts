import type { IncomingMessage, ServerResponse } from 'node:http';
import { finished } from 'node:stream';
import { ClientPace } from './client-pace.ts';
import { connectionOf } from './connection.ts';
import type { StreamPace } from './limits.ts';
import { Problem } from './problem.ts';
import { refuseCoding } from './read-json.ts';

/** The body of a request, piece by piece. */
export interface BodyStream {
  /** The content type, in small letters and without parameters. */
  readonly type: string;
  /**
   * The bytes as they arrive. Nothing is read before a piece is asked for, so a reader that is slow makes the
   * client wait. Can be read once.
   * @throws Problem 400 the client has gone, 408 it is too slow
   */
  readonly pieces: AsyncIterable<Buffer>;
  /**
   * The same without an iterator, which needs promises for each of the 16 pieces of a megabyte: `take` is
   * called with each piece, in the turn in which it arrives. Absent: they come from no connection.
   * @param take may return a promise. Until it is fulfilled, nothing is read; if it fails, the reading ends
   * @throws like `pieces`, and what `take` throws
   */
  readonly each?: (take: TakePiece) => Promise<void>;
}

export type TakePiece = (piece: Buffer) => Promise<void> | undefined;

/**
 * Opens the body of a request as a stream. It may have any length, and take any time at a reasonable pace:
 * the reader bounds both.
 * @param types the content types that are understood
 * @throws Problem 415 another type, not declared as UTF-8, or compressed
 */
export function openBodyStream(
  request: IncomingMessage,
  response: ServerResponse,
  { types, pace }: { readonly types: readonly string[]; readonly pace?: StreamPace },
): BodyStream {
  const type = typeOf(request);
  if (!types.includes(type)) {
    const detail = `The body must be sent as ${types.join(', or as ')}.`;
    throw new Problem('wrong-type', { detail, headers: { Accept: types.join(', ') } });
  }
  refuseCoding(request);
  const client = new ClientPace(pace);
  return {
    type,
    pieces: readPieces(request, response, client),
    each: async (take) => {
      if (begin(request, response)) await passPieces(request, client, take);
    },
  };
}

function typeOf({ headers }: IncomingMessage): string {
  const [type = ''] = (headers['content-type'] ?? '').split(';');
  return type.trim().toLowerCase();
}

/** @returns false: there are no bytes */
function begin(request: IncomingMessage, response: ServerResponse): boolean {
  // A request without the headers of a body has none; then the server does not emit `end` either.
  if (request.readableEnded) return false;
  connectionOf(request.socket)?.takesTime(request);
  if (request.headers.expect !== undefined && request.httpVersion === '1.1') response.writeContinue();
  return true;
}

async function* readPieces(
  request: IncomingMessage,
  response: ServerResponse,
  pace: ClientPace,
): AsyncGenerator<Buffer> {
  if (!begin(request, response)) return;
  // The end of the reading must not destroy the connection: the answer is still to be sent.
  const pieces = request.iterator({ destroyOnReturn: false }) as AsyncIterableIterator<Buffer>;
  for (;;) {
    const next = await pace.wait(pieces.next()).catch((cause: unknown) => {
      throw cause instanceof Problem ? cause : new Problem('incomplete', { cause });
    });
    if (next.done === true) return;
    // Blanks are nothing that anybody waits for: they could keep a request open for ever.
    if (!isBlank(next.value)) pace.moved(next.value.length);
    yield next.value;
  }
}

/** Settles when the body has ended, or failed, and nothing of `take` is under way any more. */
async function passPieces(request: IncomingMessage, client: ClientPace, take: TakePiece): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let taking: Promise<void> | undefined;
  let isOver = false;
  const end = (settle: () => void): void => {
    isOver = true;
    client.stop();
    request.off('data', onPiece);
    // The connection decides what becomes of the rest of a body that is not wanted.
    if (!request.readableEnded) request.pause();
    if (taking === undefined) settle();
    else taking.then(settle, reject);
  };
  const fail = (cause: unknown): void => end(() => reject(cause));
  const goOn = (): void => {
    taking = undefined;
    if (isOver) return;
    client.goOn(() => fail(new Problem('too-slow')));
    request.resume();
  };
  const onPiece = (piece: Buffer): void => {
    // Blanks are nothing that anybody waits for: they could keep a request open for ever.
    client.moved(isBlank(piece) ? 0 : piece.length);
    try {
      taking = take(piece);
    } catch (error) {
      return fail(error);
    }
    if (taking === undefined) return;
    client.pause();
    request.pause();
    taking.then(goOn, fail);
  };
  const cleanUp = finished(request, { writable: false }, (cause) =>
    end(() => (cause ? reject(new Problem('incomplete', { cause })) : resolve())),
  );
  request.on('data', onPiece);
  goOn();
  try {
    await promise;
  } finally {
    cleanUp();
  }
}

function isBlank(piece: Buffer): boolean {
  return piece.every((byte) => byte === 0x20 || (byte >= 0x09 && byte <= 0x0d));
}
