import type { ServerResponse } from 'node:http';
import type { RouterContext } from '@koa/router';
import type { ByteRange } from '../../db/blobs/blob-store.ts';
import { STREAM_PACE } from '../http/limits.ts';
import { ClientGoneError } from '../http/paced-writer.ts';
import type { Lease } from './picture-memory.ts';
import type { OpenPicture } from './pictures.ts';

/** How much of a stream may wait for its client, beside what its socket has. */
const UNREAD_BYTES = 256 * 1024;

/** @throws ClientGoneError */
export function requireClient(ctx: RouterContext): void {
  if (ctx.req.socket.destroyed) throw new ClientGoneError();
}

/** Gives back a picture that nobody is there to read. @throws ClientGoneError */
export async function requireReader(ctx: RouterContext, opened: OpenPicture): Promise<void> {
  if (!ctx.req.socket.destroyed) return;
  if ('lease' in opened) opened.lease.release();
  else {
    opened.release();
    await opened.stream.cancel();
  }
  throw new ClientGoneError();
}

/**
 * Sends bytes of memory in one write, and gives them back when the client has them. A client that is slower
 * than any other may be is cut off.
 */
export function sendLease(ctx: RouterContext, { bytes, release }: Lease, part: ByteRange | undefined): void {
  const sent = part === undefined ? bytes : bytes.subarray(part.first, part.last + 1);
  ctx.body = sent;
  if (ctx.method === 'HEAD' || ctx.req.socket.destroyed) release();
  else releaseWhenSent(ctx.res, sent.length, release);
}

/**
 * Sends a stream. Returns when the client has all of it, or the connection was cut.
 * @throws what ended it early
 */
export async function sendPictureStream(
  ctx: RouterContext,
  { stream, release }: Extract<OpenPicture, { stream: unknown }>,
): Promise<void> {
  // Koa pipes a stream, and completes the body when it breaks off.
  ctx.respond = false;
  try {
    await stream.sendTo(ctx.res, { pace: STREAM_PACE, maxUnreadBytes: UNREAD_BYTES });
  } finally {
    release();
  }
}

function releaseWhenSent(response: ServerResponse, bytes: number, release: () => void): void {
  const { socket } = response.req;
  let timer: NodeJS.Timeout | undefined;
  const done = (): void => {
    clearTimeout(timer);
    response.off('close', done);
    // A response that waits for its turn does not hear that its connection is closed.
    socket.off('close', done);
    release();
  };
  const { graceMs, bytesPerSecond } = STREAM_PACE;
  const begin = (): void => {
    timer = setTimeout(() => socket.destroy(), graceMs + (bytes * 1_000) / bytesPerSecond);
  };
  response.once('close', done);
  socket.once('close', done);
  if (response.socket !== null) begin();
  else response.once('socket', begin);
}
