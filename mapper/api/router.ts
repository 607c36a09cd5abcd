import type { Router, RouterContext } from '@koa/router';
import { monotonicMs } from '../../runtime/clock.ts';
import { formatCookie } from '../auth/credential.ts';
import { openBodyStream, type BodyStream } from '../http/body-stream.ts';
import { isUtf8Encoded } from '../http/form-text.ts';
import { STREAM_PACE } from '../http/limits.ts';
import { invalidFields, Problem } from '../http/problem.ts';
import { readJsonObject } from '../http/read-json.ts';
import { callEndpoint, type ApiOptions } from './call-endpoint.ts';
import { writeContent } from './content-answer.ts';
import type { ApiReply, Endpoint } from './endpoint.ts';

/**
 * On every answer of the API, also on problems, and on its pages, which replace the Content-Security-Policy.
 *
 * The referrer policy hides paths, in which there may be a token, and still lets browsers say in `Origin`
 * that a form is one of ours. With `no-referrer` they would send `Origin: null` (Fetch, "append a request
 * `Origin` header").
 */
export const API_HEADERS: Readonly<Record<string, string>> = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'strict-origin',
  'X-Content-Type-Options': 'nosniff',
};

/**
 * Adds a route for each declared endpoint. A request is checked in the order: who sent it, what he may do,
 * the path, the query, the body. So nobody without a credential can make the parser work.
 */
export function addEndpoints(router: Router, endpoints: readonly Endpoint[], options: ApiOptions): void {
  // `/urls/bulk` is not a link with the key `bulk`.
  const ordered = endpoints.toSorted((a, b) => parametersOf(a) - parametersOf(b));
  for (const [path, declared] of Map.groupBy(ordered, ({ path }) => path)) {
    for (const endpoint of declared.filter(({ isServedElsewhere }) => isServedElsewhere !== true))
      router.register(toRouterPath(path), [endpoint.method], async (ctx) => {
        ctx.set({ ...API_HEADERS });
        await answer(ctx, endpoint, options);
      });
    // Then its own route says which methods make sense.
    if (declared.some(({ isServedElsewhere }) => isServedElsewhere === true)) continue;
    router.all(toRouterPath(path), (ctx) => {
      ctx.set({ ...API_HEADERS });
      throw new Problem('method-not-allowed', { headers: { Allow: declared.flatMap(methodsOf).join(', ') } });
    });
  }
}

function parametersOf({ path }: Endpoint): number {
  return path.split('{').length - 1;
}

function methodsOf({ method, hasPage }: Endpoint): string[] {
  if (method === 'GET') return ['GET', 'HEAD'];
  return hasPage === true ? ['GET', 'HEAD', method] : [method];
}

/** OpenAPI writes `{key_id}`, the router `:key_id`. */
function toRouterPath(path: string): string {
  return path.replaceAll(/\{(\w+)\}/g, ':$1');
}

async function answer(ctx: RouterContext, endpoint: Endpoint, options: ApiOptions): Promise<void> {
  const { maxBodyBytes, maxBodyMs, status } = endpoint;
  const reply = await callEndpoint(endpoint, options, {
    request: ctx.req,
    response: ctx.res,
    params: { ...ctx.params },
    query: () => queryOf(ctx),
    body: async () => readJsonObject(ctx.req, ctx.res, maxBodyBytes),
    stream: (types) => openStream(ctx, types, maxBodyMs),
  });
  if ('isNotModified' in reply) {
    ctx.set({ ...reply.headers });
    ctx.status = 304;
  } else if ('content' in reply) await writeContent(ctx, status, reply, options.log);
  else write(ctx, status, reply, options.cookieName);
}

/** @throws Problem 422 a parameter is not UTF-8 */
function queryOf({ querystring, query }: RouterContext): RouterContext['query'] | undefined {
  const damaged = isUtf8Encoded(querystring)
    ? undefined
    : querystring.split('&').find((pair) => !isUtf8Encoded(pair));
  if (damaged !== undefined) {
    const [field = ''] = new URLSearchParams(damaged).keys();
    throw invalidFields([{ field, reason: 'is not valid UTF-8' }]);
  }
  return querystring === '' ? undefined : query;
}

function openStream(ctx: RouterContext, types: readonly string[], maxMs: number | undefined): BodyStream {
  const endsAtMs = maxMs === undefined ? undefined : monotonicMs() + maxMs;
  return openBodyStream(ctx.req, ctx.res, { types, pace: { ...STREAM_PACE, endsAtMs } });
}

function write(ctx: RouterContext, status: number, reply: ApiReply<unknown>, cookieName: string): void {
  if (reply.session !== undefined) ctx.set('Set-Cookie', formatCookie(cookieName, reply.session?.text));
  ctx.set({ ...reply.headers });
  if (reply.body === undefined) {
    ctx.body = null;
    ctx.status = status;
    return;
  }
  ctx.status = reply.isFound === true ? 200 : status;
  ctx.body = JSON.stringify(reply.body);
  ctx.set('Content-Type', 'application/json; charset=utf-8');
}
