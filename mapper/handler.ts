import type { IncomingMessage } from 'node:http';
import { flat } from '../runtime/flat-text.ts';
import { OnDemand } from '../runtime/on-demand.ts';
import { createParts, type HandlerOptions, type HandlerParts } from './handler-parts.ts';
import type { LimitedClient } from './http/admission.ts';
import { connectionOf } from './http/connection.ts';
import { findForwardedRequest } from './http/forwarded-request.ts';
import { isSurelyFramed } from './http/framing.ts';
import type { FrontHandler, FrontOptions } from './http/front.ts';
import { answerError, type Reply } from './http/reply.ts';
import { headerOf } from './http/request-facts.ts';
import type { Handler, Handlers } from './http/server.ts';
import { findUnlimitedRequest, findUsualRequest } from './http/usual-request.ts';
import type { Limits, Peer } from './limits/limits.ts';
import { isOwnPath } from './own-paths.ts';
import { FastRedirect } from './redirect/fast-redirect.ts';
import { FastShorten } from './shorten/fast-shorten.ts';
import { createBodyReader } from './shorten/shorten-body.ts';

/** The public HTTP interface: the fast paths answer usual requests, Koa answers all others. */
export async function createHandlers(options: HandlerOptions): Promise<Handlers> {
  const parts = createParts(options);
  const answer = options.savesMemory ? whenLoaded(options, parts) : await loadWhole(options, parts);
  const slow: Handler = (request, response) => {
    connectionOf(request.socket)?.weigh(request);
    return answer(request, response);
  };
  if (!options.hasFastPaths) return { any: slow };
  const { shared } = parts;
  const redirect = new FastRedirect({ ...shared, cache: options.cache });
  const shorten = new FastShorten({
    ...shared,
    read: createBodyReader(parts.parse, options.targets),
    readOwn: parts.readOwn,
    ownerOfKey: (authorization, client) => options.accounts.ownerOfKey(authorization, client),
  });
  const fast = { redirect, shorten, limits: options.limits };
  return {
    any: (request, response) => (tryFast(fast, request, response) ? undefined : slow(request, response)),
    usual: rulesOf(fast),
  };
}

/** Koa with everything: the routes of links, the API and the pages. */
async function loadWhole(options: HandlerOptions, parts: HandlerParts): Promise<Handler> {
  const [{ createKoaHandler }, { addApi }] = await Promise.all([
    import('./koa-handler.ts'),
    import('./open-api.ts'),
  ]);
  return createKoaHandler(options, parts, (router) => addApi(router, options, parts));
}

/**
 * Loads Koa with the first request that needs it, and the API with the pages, which are three times as
 * large, with the first request for one of them. Whoever looks for holes in web servers asks for neither.
 */
function whenLoaded(options: HandlerOptions, parts: HandlerParts): Handler {
  const whole = new OnDemand(async () => loadWhole(options, parts));
  const ofLinks = new OnDemand(async () => {
    const { createKoaHandler } = await import('./koa-handler.ts');
    return createKoaHandler(options, parts);
  });
  const { requestIds, log } = parts.shared;
  return (request, response) => {
    const wanted = whole.value !== undefined || isOwnPath(request.url) ? whole : ofLinks;
    if (wanted.value !== undefined) return wanted.value(request, response);
    // The server asks for this as soon as the handler returns. Koa says it again, too late.
    if (!isSurelyFramed(request)) response.shouldKeepAlive = false;
    return wanted.get().then(
      async (handler) => handler(request, response),
      (error: unknown) =>
        answerError(response, error, { requestId: requestIds.of(headerOf(request, 'x-request-id')), log }),
    );
  };
}

interface FastPaths {
  readonly redirect: FastRedirect;
  readonly shorten: FastShorten;
  readonly limits: Limits;
}

/** @returns false when Koa must answer */
function tryFast({ redirect, shorten, limits }: FastPaths, request: IncomingMessage, reply: Reply): boolean {
  const { method } = request;
  if (method === 'GET' || method === 'HEAD') {
    const client = limits.clientOf(request);
    if (client === undefined) return redirect.tryAnswer(request, reply);
    const refused = limits.admitFollow(client, reply);
    return refused === undefined
      ? redirect.tryAnswer(request, limits.watch(client, reply))
      : redirect.tryRefuse(request, refused.reply, refused.refusal);
  }
  if (method !== 'POST') return false;
  const client = limits.clientOf(request);
  return shorten.tryAnswer(request, reply, client === undefined ? undefined : limitedClient(limits, client));
}

/** The front's rules for the connections of each kind of peer. */
function rulesOf(fast: FastPaths): FrontOptions['rulesFor'] {
  const { redirect, shorten, limits } = fast;
  const handle: FrontHandler = (request, text, reply) =>
    request.method === 'POST'
      ? shorten.tryBody(request, text.slice(request.bodyStart, request.end), reply)
      : redirect.tryPath(request.path, reply);
  if (!limits.isOn) {
    const unlimited = { find: findUnlimitedRequest, handle };
    return () => unlimited;
  }
  const ofMachine = { find: findUsualRequest, handle };
  return (socket) => {
    const peer = limits.peerOf(socket);
    const { client } = peer;
    if (peer.isProxy) {
      const handlerOf = handlersBehind(fast, peer, handle);
      return {
        find: findForwardedRequest,
        handle: (request, text, reply) => handlerOf(request.forwardedFor)(request, text, reply),
      };
    }
    return client === undefined ? ofMachine : { find: findUsualRequest, handle: limited(fast, client) };
  };
}

/** The handlers for clients behind a proxy. A proxy often sends several requests of one client in a row. */
function handlersBehind(
  fast: FastPaths,
  peer: Peer,
  unlimited: FrontHandler,
): (forwardedFor: string | undefined) => FrontHandler {
  const handlerFor = (client: string | undefined): FrontHandler =>
    client === undefined ? unlimited : limited(fast, client);
  const own = handlerFor(peer.client);
  let last = '';
  let lastHandler = own;
  return (forwardedFor) => {
    if (forwardedFor === undefined) return own;
    if (forwardedFor === last) return lastHandler;
    // A copy: the text is a view of a whole chunk.
    last = flat(forwardedFor);
    lastHandler = handlerFor(fast.limits.clientBehind(peer, last));
    return lastHandler;
  };
}

/** Answers usual requests of a client who has limits. */
function limited({ redirect, shorten, limits }: FastPaths, client: string): FrontHandler {
  const whoAsks = limitedClient(limits, client);
  return (request, text, reply) => {
    const { method, path, bodyStart, end } = request;
    if (method === 'POST') return shorten.tryBody(request, text.slice(bodyStart, end), reply, whoAsks);
    const refused = limits.admitFollow(client, reply);
    return refused === undefined
      ? redirect.tryPath(path, limits.watch(client, reply))
      : redirect.tryRefusePath(path, refused.reply, refused.refusal);
  };
}

function limitedClient(limits: Limits, address: string): LimitedClient {
  return {
    address,
    admit: (reply, keyId) =>
      keyId === undefined ? limits.admitAnonymous(address, reply) : limits.admitKey(keyId, reply),
  };
}
