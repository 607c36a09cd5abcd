import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Router, RouterContext } from '@koa/router';
import type { z } from 'zod';
import { monotonicMs } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import type { Access, Guard } from '../auth/guard.ts';
import { findCookie, formatCookie } from '../auth/credential.ts';
import type { Identity } from '../auth/identities.ts';
import { isDue } from '../auth/last-uses.ts';
import { invalidInput } from '../http/field-errors.ts';
import { invalidFields, Problem } from '../http/problem.ts';
import { openBodyStream, type BodyStream } from '../http/body-stream.ts';
import { STREAM_PACE } from '../http/limits.ts';
import { readJsonObject } from '../http/read-json.ts';
import { idempotencyKeyOf } from '../shorten/repeatable.ts';
import { writeContent } from './content-answer.ts';
import type { ApiReply, Endpoint, Services } from './endpoint.ts';

export interface ApiOptions {
  readonly services: Services;
  readonly guard: Guard;
  readonly limits: ApiLimits;
  /** The name of the session's cookie. */
  readonly cookieName: string;
  readonly log: Log;
}

export interface ApiLimits {
  /** Counts a request, and says in the response what is left. @throws Problem 429 */
  enforceApi(
    request: IncomingMessage,
    response: ServerResponse,
    sender: { readonly identity: Identity | undefined; readonly limit: Endpoint['limit'] },
  ): Promise<void>;
  /** The address of the client of a request, also where it has no limits. */
  clientAddressOf(request: IncomingMessage): string | undefined;
}

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
  for (const endpoint of ordered.filter(({ isServedElsewhere }) => isServedElsewhere !== true))
    router.register(toRouterPath(endpoint.path), [endpoint.method], async (ctx) => {
      ctx.set({ ...API_HEADERS });
      await answer(ctx, endpoint, options);
    });
  for (const [path, declared] of Map.groupBy(ordered, ({ path }) => path)) {
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

/**
 * A session that is used goes on, in the browser too: once a day it gets its cookie again, with a later end.
 */
function renewCookie(ctx: RouterContext, identity: Identity, cookieName: string): void {
  if (identity.proof.kind !== 'session' || !isDue(identity, identity.usedAtMs, Date.now())) return;
  const secret = findCookie(ctx.get('Cookie'), cookieName);
  if (secret !== undefined) ctx.set('Set-Cookie', formatCookie(cookieName, secret));
}

/** OpenAPI writes `{key_id}`, the router `:key_id`. */
function toRouterPath(path: string): string {
  return path.replaceAll(/\{(\w+)\}/g, ':$1');
}

async function answer(ctx: RouterContext, endpoint: Endpoint, options: ApiOptions): Promise<void> {
  const {
    access,
    limit,
    params,
    query,
    body,
    maxBodyBytes,
    bodyTypes,
    maxBodyMs,
    repeatable,
    status,
    handle,
  } = endpoint;
  const { guard } = options;
  const identity = access === 'anyone' ? undefined : await guard.identify(ctx.req);
  // Before the scopes: every request of a key counts.
  await options.limits.enforceApi(ctx.req, ctx.res, { identity, limit });
  if (access !== 'anyone') guard.authorise(identity, access);
  if (identity !== undefined) renewCookie(ctx, identity, options.cookieName);
  if (query === undefined && ctx.querystring !== '') refuseQuery(ctx.query);
  const idempotencyKey = repeatable === undefined ? undefined : idempotencyKeyOf(ctx.req);
  const request = {
    // Who may be nobody is part of the type of each declaration.
    identity: identity as never,
    identifyAgain: async () => (await identifyAgain(ctx.req, access, guard)) as never,
    params: (params && check(params, { ...ctx.params })) as never,
    query: (query && check(query, singleValues(ctx.query))) as never,
    body: (body && check(body, await readJsonObject(ctx.req, ctx.res, maxBodyBytes))) as never,
    stream: (bodyTypes && openStream(ctx, Object.keys(bodyTypes), maxBodyMs)) as never,
    headers: ctx.req.headers,
    addressOf: () => options.limits.clientAddressOf(ctx.req),
    idempotencyKey,
  };
  const reply = await handle?.(options.services, request);
  if (reply === undefined) throw new Problem('not-found');
  if ('isNotModified' in reply) {
    ctx.set({ ...reply.headers });
    ctx.status = 304;
  } else if ('content' in reply) await writeContent(ctx, status, reply, options.log);
  else write(ctx, status, reply, options.cookieName);
}

function openStream(ctx: RouterContext, types: readonly string[], maxMs: number | undefined): BodyStream {
  const endsAtMs = maxMs === undefined ? undefined : monotonicMs() + maxMs;
  return openBodyStream(ctx.req, ctx.res, { types, pace: { ...STREAM_PACE, endsAtMs } });
}

async function identifyAgain(
  request: IncomingMessage,
  access: Access,
  guard: Guard,
): Promise<Identity | undefined> {
  if (access === 'anyone') return undefined;
  const identity = await guard.identify(request);
  guard.authorise(identity, access);
  return identity;
}

function check<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw invalidInput(parsed.error);
  return parsed.data;
}

type Query = Readonly<Record<string, string | string[] | undefined>>;

/** @throws Problem 422 for a parameter that is given twice: programs differ in which one they take */
function singleValues(query: Query): Record<string, string> {
  return Object.fromEntries(
    Object.entries(query).map(([field, value = '']) => {
      if (typeof value === 'string') return [field, value];
      throw invalidFields([{ field, reason: 'is given more than once' }]);
    }),
  );
}

function refuseQuery(query: Query): void {
  const [field = ''] = Object.keys(query);
  throw invalidFields([{ field, reason: 'unknown parameter' }]);
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
