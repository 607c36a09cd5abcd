import type { IncomingMessage, ServerResponse } from 'node:http';
import type { z } from 'zod';
import type { Log } from '../../runtime/log.ts';
import { findCookie, formatCookie } from '../auth/credential.ts';
import type { Access, Guard } from '../auth/guard.ts';
import type { Identity } from '../auth/identities.ts';
import { isDue } from '../auth/last-uses.ts';
import type { BodyStream } from '../http/body-stream.ts';
import { invalidInput } from '../http/field-errors.ts';
import { invalidFields, Problem, type FieldError } from '../http/problem.ts';
import { headerOf } from '../http/request-facts.ts';
import { idempotencyKeyOf } from '../shorten/repeatable.ts';
import type { ContentReply, NotModified } from './content.ts';
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

type Query = Readonly<Record<string, string | string[] | undefined>>;

/** A request for an endpoint, of which nothing is checked. Its parts are read when their turn has come. */
export interface EndpointCall {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly params: Readonly<Record<string, string | undefined>>;
  /** Undefined: the request has none. */
  readonly query: () => Query | undefined;
  readonly body: () => Promise<unknown>;
  /** The body of an endpoint with `bodyTypes`. */
  readonly stream: (types: readonly string[]) => BodyStream;
  /** Instead of those of the request. */
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * Lets a request in, checks its parts, and carries it out. In this order: who sent it, what he may do, the
 * path, the query, the body. So nobody without a credential can make the parser work.
 * @throws Problem
 */
export async function callEndpoint(
  endpoint: Endpoint,
  { guard, limits, services, cookieName }: ApiOptions,
  { request, response, ...parts }: EndpointCall,
): Promise<ApiReply<unknown> | ContentReply | NotModified> {
  const { access, limit, params, query, body, bodyTypes, repeatable, handle } = endpoint;
  const identity = access === 'anyone' ? undefined : await guard.identify(request);
  // Before the scopes: every request of a key counts.
  await limits.enforceApi(request, response, { identity, limit });
  if (access !== 'anyone') guard.authorise(identity, access);
  if (identity !== undefined) renewCookie(request, response, identity, cookieName);
  const given = parts.query();
  if (query === undefined && given !== undefined) refuseQuery(given);
  const check = createCheck((sent) => endpoint.faultsOf?.(services, { identity, ...sent }) ?? []);
  const idempotencyKey = repeatable === undefined ? undefined : idempotencyKeyOf(request);
  const asked = {
    // Who may be nobody is part of the type of each declaration.
    identity: identity as never,
    identifyAgain: async () => (await identifyAgain(request, access, guard)) as never,
    params: (params && check(params, parts.params)) as never,
    query: (query && check(query, singleValues(given ?? {}), 'query')) as never,
    body: (body && check(body, await parts.body(), 'body')) as never,
    stream: (bodyTypes && parts.stream(Object.keys(bodyTypes))) as never,
    headers: parts.headers ?? request.headers,
    addressOf: () => limits.clientAddressOf(request),
    idempotencyKey,
  };
  const reply = await handle?.(services, asked);
  if (reply === undefined) throw new Problem('not-found');
  return reply;
}

/**
 * A session that is used goes on, in the browser too: once a day it gets its cookie again, with a later end.
 */
export function renewCookie(
  request: IncomingMessage,
  response: ServerResponse,
  identity: Identity,
  cookieName: string,
): void {
  if (identity.proof.kind !== 'session' || !isDue(identity, identity.usedAtMs, Date.now())) return;
  const secret = findCookie(headerOf(request, 'cookie') ?? '', cookieName);
  if (secret !== undefined) response.setHeader('Set-Cookie', formatCookie(cookieName, secret));
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

/** @param faultsOf what else is wrong with a part that the schema refuses */
function createCheck(faultsOf: (sent: { query: unknown; body: unknown }) => readonly FieldError[]) {
  return <S extends z.ZodType>(schema: S, value: unknown, part?: 'query' | 'body'): z.output<S> => {
    const parsed = schema.safeParse(value);
    if (parsed.success) return parsed.data;
    const nothing = { query: undefined, body: undefined };
    throw invalidInput(parsed.error, part === undefined ? [] : faultsOf({ ...nothing, [part]: value }));
  };
}

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
