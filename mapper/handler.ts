import type { Log } from '../runtime/log.ts';
import { createApp } from './app.ts';
import type { LinkCache } from './cache/link-cache.ts';
import { LIMITS } from './http/limits.ts';
import { RequestIds } from './http/request-id.ts';
import type { Handler } from './http/server.ts';
import { WholeAnswers } from './http/whole-answer.ts';
import type { MapperMetrics } from './metrics.ts';
import { FastRedirect } from './redirect/fast-redirect.ts';
import { RedirectTally } from './redirect/redirect-tally.ts';
import type { Service } from './service.ts';
import { FastShorten } from './shorten/fast-shorten.ts';
import { ShortenTally } from './shorten/shorten-answer.ts';
import { createBodyReader } from './shorten/shorten-body.ts';
import { createShortenRequestParser } from './shorten/shorten-request.ts';

export interface HandlerOptions {
  readonly service: Pick<Service, 'shortener' | 'finder' | 'clicks'>;
  readonly cache: LinkCache;
  /** Origin of short links, without a slash at the end. */
  readonly publicUrl: string;
  readonly allowPrivateTargets: boolean;
  /** Without them Koa answers everything: the same bytes, but slower. Tests compare the two. */
  readonly hasFastPaths: boolean;
  readonly metrics: MapperMetrics;
  readonly log: Log;
}

/** HTTP over the service: the fast paths answer usual requests, Koa answers all others. */
export function createHandler(options: HandlerOptions): Handler {
  const { service, cache, publicUrl, allowPrivateTargets, hasFastPaths, metrics, log } = options;
  const { shortener, finder, clicks } = service;
  const rules = { ownUrl: new URL(publicUrl), allowPrivateTargets };
  const parse = createShortenRequestParser(rules, Date.now);
  const redirects = new RedirectTally(metrics, clicks);
  const shortens = new ShortenTally(metrics);
  const requestIds = new RequestIds();
  const shared = { publicUrl, finder, redirects, shortener, shortens, requestIds, log };
  const app = createApp({ ...shared, parse }).callback();
  if (!hasFastPaths) return app;
  const answers = new WholeAnswers(LIMITS.keepAliveTimeoutMs);
  const redirect = new FastRedirect({ ...shared, cache, answers });
  const shorten = new FastShorten({ ...shared, read: createBodyReader(parse, rules), answers });
  return (request, response) => {
    const { method } = request;
    if (method === 'GET' || method === 'HEAD') {
      if (redirect.tryAnswer(request, response)) return undefined;
    } else if (method === 'POST' && shorten.tryAnswer(request, response)) return undefined;
    return app(request, response);
  };
}
