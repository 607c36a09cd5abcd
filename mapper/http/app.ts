import { Router } from '@koa/router';
import Koa, { type Context, type Next } from 'koa';
import type { Log } from '../../runtime/log.ts';
import { Problem, problemOf, PROBLEM_TYPE } from './problem.ts';
import { requestIdOf, type RequestIds } from './request-id.ts';

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
  const router = new Router({ strict: true, sensitive: true });
  addRoutes(router);
  // The problem writer catches every error of a route. This event reports connections that broke off.
  app.on('error', (error: unknown) => log.debug({ error }, 'connection failed'));
  app.use(identifyRequests(requestIds));
  app.use(answerProblems(log));
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
 * RFC 9112: exactly one Host in HTTP/1.1. Its value is not used: short URLs begin with the configured origin.
 */
async function checkHost(ctx: Context, next: Next): Promise<void> {
  const hosts = ctx.req.headersDistinct['host']?.length ?? 0;
  if (hosts > 1 || (hosts === 0 && ctx.req.httpVersion === '1.1')) {
    throw new Problem('bad-host');
  }
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
      }
      writeProblem(ctx, problem);
    }
    // The client may or may not send the body that it announced, so this connection can carry no further
    // request.
    const isBodyUnread = ctx.req.headers.expect !== undefined && !ctx.req.complete;
    if (isBodyUnread) ctx.set('Connection', 'close');
  };
}

function writeProblem(ctx: Context, problem: Problem): void {
  ctx.status = problem.status;
  ctx.set({ ...problem.headers });
  ctx.body = JSON.stringify(problem);
  ctx.set('Content-Type', PROBLEM_TYPE);
}
