import { createRequire } from 'node:module';
import type * as KoaRouter from '@koa/router';
import type { Router } from '@koa/router';
import Koa, { type Context, type Next } from 'koa';
import type { Log } from '../../runtime/log.ts';
import { isKnownCoding, isKnownVersion, isSurelyFramed } from './framing.ts';
import { isHost } from './host.ts';
import { Problem, problemOf, PROBLEM_TYPE } from './problem.ts';
import { requestIdOf, type RequestIds } from './request-id.ts';

/** Its form for `import` imports node:http: see runtime/node-http.ts. */
const koaRouter: typeof KoaRouter = createRequire(import.meta.url)('@koa/router');

export interface AppOptions {
  readonly addRoutes: (router: Router) => void;
  readonly requestIds: RequestIds;
  readonly log: Log;
}

/**
 * Builds the Koa app around some routes: request ids, problem documents, the check of Host. Binds no port.
 */
export function createApp({ addRoutes, requestIds, log }: AppOptions): Koa {
  const app = new Koa();
  const router = new koaRouter.Router({ strict: true, sensitive: true });
  addRoutes(router);
  // The problem writer catches every error of a route. This event reports connections that broke off.
  app.on('error', (error: unknown) => log.debug({ error }, 'connection failed'));
  app.use(identifyRequests(requestIds));
  app.use(answerProblems(log));
  app.use(checkFraming);
  app.use(checkHost);
  app.use(router.routes());
  app.use(() => {
    throw new Problem('not-found');
  });
  return app;
}

function identifyRequests(requestIds: RequestIds): (ctx: Context, next: Next) => Promise<void> {
  return async (ctx, next) => {
    const requestId = requestIds.of(ctx.req.headers['x-request-id']);
    ctx.state['requestId'] = requestId;
    ctx.set('X-Request-Id', requestId);
    await next();
  };
}

/**
 * Refuses a request whose end we may not find where another program on the way finds it, and reads nothing
 * after it (RFC 9112, 2.3, 6.1).
 */
async function checkFraming(ctx: Context, next: Next): Promise<void> {
  if (!isSurelyFramed(ctx.req)) ctx.res.shouldKeepAlive = false;
  if (!isKnownVersion(ctx.req)) {
    throw new Problem('malformed-request', { detail: 'Only HTTP/1.1 and HTTP/1.0 are understood.' });
  }
  if (!isKnownCoding(ctx.req)) throw new Problem('unknown-coding');
  await next();
}

/**
 * RFC 9112, 3.2: exactly one Host in HTTP/1.1, at most one in HTTP/1.0, and a valid one. Its value is not
 * used: short URLs begin with the configured origin.
 */
async function checkHost(ctx: Context, next: Next): Promise<void> {
  const hosts = ctx.req.headersDistinct['host'] ?? [];
  const [host] = hosts;
  const isMissing = host === undefined && ctx.req.httpVersion === '1.1';
  if (isMissing || hosts.length > 1 || (host !== undefined && !isHost(host))) throw new Problem('bad-host');
  await next();
}

function answerProblems(log: Log): (ctx: Context, next: Next) => Promise<void> {
  return async (ctx, next) => {
    try {
      await next();
    } catch (error) {
      const problem = problemOf(error);
      if (problem.status === 500) {
        log.error(
          { error, requestId: requestIdOf(ctx), method: ctx.method, path: ctx.path },
          'request failed',
        );
      } else if (problem.code === 'incomplete') {
        log.debug({ error, requestId: requestIdOf(ctx) }, 'client gone');
      }
      writeProblem(ctx, problem);
    }
  };
}

function writeProblem(ctx: Context, problem: Problem): void {
  ctx.status = problem.status;
  // Node has older words for some.
  ctx.message = problem.title;
  ctx.set({ ...problem.headers });
  ctx.body = JSON.stringify(problem);
  ctx.set('Content-Type', PROBLEM_TYPE);
}
