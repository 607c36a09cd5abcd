import type { RouterContext } from '@koa/router';
import type { Log } from '../../runtime/log.ts';
import { STREAM_PACE } from '../http/limits.ts';
import { Problem } from '../http/problem.ts';
import { requestIdOf } from '../http/request-id.ts';
import { ClientGoneError } from '../http/paced-writer.ts';
import { BegunStream } from '../http/send-stream.ts';
import type { ContentReply } from './content.ts';

/**
 * Answers with text or bytes. Returns when the client has got all of it, or the connection was cut.
 * @throws the error in front of the first piece
 */
export async function writeContent(
  ctx: RouterContext,
  status: number,
  { type, content, headers, maxUnreadBytes, endsAtMs, endsWithClient }: ContentReply,
  log: Log,
): Promise<void> {
  const isWhole = typeof content === 'string' || content instanceof Uint8Array;
  const begun = isWhole ? undefined : await BegunStream.begin(content);
  ctx.status = status;
  ctx.set({ ...headers, 'Content-Type': type });
  if (isWhole) ctx.body = Buffer.from(content);
  if (begun === undefined) return;
  // Koa pipes a stream, and completes the body when it breaks off.
  ctx.respond = false;
  if (ctx.method === 'HEAD') {
    await begun.cancel();
    ctx.res.end();
    return;
  }
  try {
    await begun.sendTo(ctx.res, { maxUnreadBytes, pace: { ...STREAM_PACE, endsAtMs }, endsWithClient });
  } catch (error) {
    report(ctx, error, log);
  }
}

/** A client that goes or is too slow, and a store that is away, are no faults of ours. */
function report(ctx: RouterContext, error: unknown, log: Log): void {
  const about = { error, requestId: requestIdOf(ctx), method: ctx.method, path: ctx.path };
  if (error instanceof ClientGoneError || error instanceof Problem) log.debug(about, 'answer cut off');
  else log.error(about, 'answer cut off');
}
