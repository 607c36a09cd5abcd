import type { IncomingMessage } from 'node:http';
import type { Router } from '@koa/router';
import type { Log } from '../runtime/log.ts';
import type { LinkCache } from './cache/link-cache.ts';
import type { Clicks } from './clicks/clicks.ts';
import { createApp } from './http/app.ts';
import { connectionOf } from './http/connection.ts';
import { RequestIds } from './http/request-id.ts';
import type { Handler, Handlers } from './http/server.ts';
import type { MapperMetrics } from './metrics.ts';
import { FastRedirect } from './redirect/fast-redirect.ts';
import type { LinkFinder } from './redirect/link-finder.ts';
import { addRedirectRoute } from './redirect/redirect-route.ts';
import { RedirectTally } from './redirect/redirect-tally.ts';
import { FastShorten } from './shorten/fast-shorten.ts';
import { ShortenTally } from './shorten/shorten-answer.ts';
import { createBodyReader } from './shorten/shorten-body.ts';
import { createShortenRequestParser } from './shorten/shorten-request.ts';
import { addUrlsRoute } from './shorten/shorten-route.ts';
import type { Shortener } from './shorten/shortener.ts';
import { ownAddressesOf, type TargetRules } from './shorten/target-url.ts';

export interface HandlerOptions {
  readonly shortener: Shortener;
  readonly finder: LinkFinder;
  readonly clicks: Clicks;
  readonly cache: LinkCache;
  readonly accounts: {
    /** Adds the routes of the API. */
    addRoutes(router: Router): void;
    /** The user who makes a link with this request. @throws Problem 401, 403, 503 */
    ownerOf(request: IncomingMessage): Promise<bigint | undefined>;
  };
  /** Origin of short links, without a slash at the end. */
  readonly publicUrl: string;
  /** How a client on this machine reaches the public port. */
  readonly listeningUrl: string;
  /** Which targets a link may have, without the rule that is the same for all: not this service. */
  readonly targets: Omit<TargetRules, 'own'>;
  /** False: Koa answers everything, with the same bytes, but slower. Tests compare the two. */
  readonly hasFastPaths: boolean;
  readonly metrics: MapperMetrics;
  readonly log: Log;
}

/** The public HTTP interface: the fast paths answer usual requests, Koa answers all others. */
export function createHandlers(options: HandlerOptions): Handlers {
  const { shortener, finder, clicks, accounts, publicUrl, targets, metrics, log } = options;
  const rules = { ...targets, own: ownAddressesOf(publicUrl, options.listeningUrl) };
  const parse = createShortenRequestParser(rules, Date.now);
  const redirects = new RedirectTally(metrics, clicks);
  const shortens = new ShortenTally(metrics);
  const requestIds = new RequestIds();
  const shared = { publicUrl, finder, redirects, shortener, shortens, requestIds, log };
  const app = createApp({
    addRoutes: (router) => {
      accounts.addRoutes(router);
      addUrlsRoute(router, { ...shared, parse, ownerOf: async (request) => accounts.ownerOf(request) });
      addRedirectRoute(router, shared);
    },
    requestIds,
    log,
  }).callback();
  const slow: Handler = (request, response) => {
    connectionOf(request.socket)?.weigh(request);
    return app(request, response);
  };
  if (!options.hasFastPaths) return { any: slow };
  const redirect = new FastRedirect({ ...shared, cache: options.cache });
  const shorten = new FastShorten({ ...shared, read: createBodyReader(parse, rules) });
  return {
    any: (request, response) => {
      const { method } = request;
      if (method === 'GET' || method === 'HEAD') {
        if (redirect.tryAnswer(request, response)) return undefined;
      } else if (method === 'POST' && shorten.tryAnswer(request, response)) return undefined;
      return slow(request, response);
    },
    usual: ({ method, path, bodyStart, end }, bytes, reply) =>
      method === 'POST'
        ? shorten.tryBody(path, bytes.subarray(bodyStart, end), reply)
        : redirect.tryPath(path, reply),
  };
}
