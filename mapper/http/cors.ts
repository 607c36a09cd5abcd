import type { Context, Next } from 'koa';

/** What pages of other sites may send, besides what every browser lets them send. */
const ALLOWED = {
  'Access-Control-Allow-Methods': 'GET, HEAD, POST, PATCH, DELETE',
  'Access-Control-Allow-Headers':
    'Authorization, Content-Type, If-Match, If-None-Match, Idempotency-Key, Last-Event-ID, X-Delete-Token, X-Request-Id',
  'Access-Control-Max-Age': '600',
};

/** What they may read, besides what every browser lets them read. */
const EXPOSED = [
  'Accept-Encoding',
  'Accept-Ranges',
  'Allow',
  'Content-Range',
  'ETag',
  'Idempotency-Replayed',
  'Location',
  'RateLimit',
  'RateLimit-Policy',
  'Retry-After',
  'WWW-Authenticate',
  'X-Approximate',
  'X-Others-May-Lag',
  'X-Request-Id',
].join(', ');

/**
 * Lets pages of some origins use the API (the Fetch standard, 3.2). They send an API key: a cookie is never
 * allowed, because a session is for our own pages.
 * @param origins as browsers write them; `*`: all
 */
export function createCors(origins: readonly string[]): (ctx: Context, next: Next) => Promise<void> {
  const isForAll = origins.includes('*');
  return async (ctx, next) => {
    // A cache must not give an answer for one origin to another.
    if (!isForAll) ctx.vary('Origin');
    const origin = ctx.get('Origin');
    if (origin === '' || !(isForAll || origins.includes(origin))) {
      await next();
      return;
    }
    ctx.set('Access-Control-Allow-Origin', isForAll ? '*' : origin);
    if (ctx.method === 'OPTIONS' && ctx.get('Access-Control-Request-Method') !== '') {
      ctx.set(ALLOWED);
      ctx.status = 204;
      return;
    }
    ctx.set('Access-Control-Expose-Headers', EXPOSED);
    await next();
  };
}
