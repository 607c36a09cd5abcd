import type { IncomingMessage, ServerResponse } from 'node:http';
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
}

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
  return { type, pieces: readPieces(request, response, new ClientPace(pace)) };
}

function typeOf({ headers }: IncomingMessage): string {
  const [type = ''] = (headers['content-type'] ?? '').split(';');
  return type.trim().toLowerCase();
}

async function* readPieces(
  request: IncomingMessage,
  response: ServerResponse,
  pace: ClientPace,
): AsyncGenerator<Buffer> {
  // A request without the headers of a body has none; then the server does not emit `end` either.
  if (request.readableEnded) return;
  connectionOf(request.socket)?.takesTime(request);
  if (request.headers.expect !== undefined && request.httpVersion === '1.1') response.writeContinue();
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

function isBlank(piece: Buffer): boolean {
  return piece.every((byte) => byte === 0x20 || (byte >= 0x09 && byte <= 0x0d));
}
