import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Router } from '@koa/router';
import type { FollowingConfig } from '../runtime/config/following.ts';
import { monotonicMs } from '../runtime/clock.ts';
import { flat } from '../runtime/flat-text.ts';
import type { Log } from '../runtime/log.ts';
import type { ApiOptions } from './api/call-endpoint.ts';
import type { LinkServices } from './api/endpoint.ts';
import type { ImportService } from './api/import-service.ts';
import type { BulkTools } from './bulk/tools.ts';
import type { LinkCache } from './cache/link-cache.ts';
import type { Clicks } from './clicks/clicks.ts';
import { Follow } from './following/follow.ts';
import type { Gates } from './following/gates.ts';
import { addSiteRoutes } from './following/site-routes.ts';
import { createFindCountry } from './following/visitor.ts';
import { createCors } from './http/cors.ts';
import { createApp } from './http/app.ts';
import { connectionOf } from './http/connection.ts';
import { findForwardedRequest } from './http/forwarded-request.ts';
import { findUnlimitedRequest, findUsualRequest } from './http/usual-request.ts';
import type { Admit } from './http/admission.ts';
import type { FrontHandler, FrontOptions } from './http/front.ts';
import type { Limits, Peer } from './limits/limits.ts';
import type { Orphans } from './orphans/orphans.ts';
import { headerOf } from './http/request-facts.ts';
import { RequestIds } from './http/request-id.ts';
import type { Reply } from './http/reply.ts';
import type { Handler, Handlers } from './http/server.ts';
import type { MapperImages } from './open-images.ts';
import { addPages, PAGE_PATHS, type PagesOptions } from './open-pages.ts';
import type { OwnLinks } from './links/own-links.ts';
import type { LiveClicks } from './live/live-clicks.ts';
import type { MapperMetrics } from './metrics.ts';
import { followLimits } from './follow-limits.ts';
import type { Site } from './pages/layout.ts';
import { FastRedirect } from './redirect/fast-redirect.ts';
import { createLinkServices } from './link-services.ts';
import type { LinkFinder } from './redirect/link-finder.ts';
import { addRedirectRoute } from './redirect/redirect-route.ts';
import { RedirectTally } from './redirect/redirect-tally.ts';
import { Refusals } from './redirect/refusals.ts';
import { Repeats } from './repeats/repeats.ts';
import type { Reservations } from './reservations/reservations.ts';
import type { AnswerRepeatable } from './shorten/repeatable.ts';
import { FastShorten, type KeyOwner } from './shorten/fast-shorten.ts';
import { ShortenTally } from './shorten/shorten-answer.ts';
import { createBodyReader, createOwnBodyReader } from './shorten/shorten-body.ts';
import { createPreparer, createShortenRequestParser, type HashPassword } from './shorten/shorten-request.ts';
import { addUrlsRoute, type UrlsRouteOptions } from './shorten/shorten-route.ts';
import type { Shortener } from './shorten/shortener.ts';
import type { TargetRules } from './shorten/target-url.ts';
import type { Statistics } from './statistics/statistics.ts';
import { addImageRoutes } from './views/image-route.ts';
import { ImageTally } from './views/image-tally.ts';
import type { Webhooks } from './webhooks/webhooks.ts';

export interface HandlerOptions {
  readonly shortener: Shortener;
  readonly finder: LinkFinder;
  readonly clicks: Clicks;
  readonly orphans: Orphans;
  readonly ownLinks: OwnLinks;
  readonly live: LiveClicks;
  readonly reservations: Reservations;
  readonly bulk: BulkTools;
  readonly statistics: Statistics;
  readonly imports: ImportService;
  /** Undefined: there are no images. */
  readonly images: MapperImages | undefined;
  readonly webhooks: Webhooks;
  readonly cache: LinkCache;
  /** Origins whose pages may use the API; `*`: all. */
  readonly corsOrigins: readonly string[];
  readonly accounts: {
    readonly linkPasswords: { readonly hash: HashPassword };
    /** The beginnings of all paths of the API, also of those that other rooms serve. */
    readonly paths: readonly string[];
    /** Adds the routes of the API. */
    addRoutes(router: Router, links: LinkServices, addPages: (api: ApiOptions) => void): void;
    /** Whether there are accounts. */
    readonly hasUsers: boolean;
    /** The user who makes a link with this request. @throws Problem 401, 403, 429, 503 */
    ownerOf(request: IncomingMessage, response: ServerResponse): Promise<bigint | undefined>;
    /** Whose key it is, if memory knows it; undefined when only `ownerOf` can say. */
    ownerOfKey(authorization: string): KeyOwner | undefined;
  };
  /** Whether people may make accounts. */
  readonly isSignupOpen: boolean;
  readonly limits: Limits;
  /** Origin of short links, without a slash at the end. */
  readonly publicUrl: string;
  /** Shared by all mappers of a cluster. */
  readonly secret: string;
  /** Which targets a link may have. */
  readonly targets: TargetRules;
  /** What followers of links are told, besides the links. */
  readonly following: FollowingConfig;
  /** The country of an address; undefined: not known. */
  readonly countryAt: (address: string) => string | undefined;
  /** Asked before links with a password or a number of visits are followed. */
  readonly gates?: Gates | undefined;
  /** The domains to which no link may point. */
  readonly domains: PagesOptions['domains'];
  /** Whether there may be a link with this code of another shortener. */
  readonly isForeignKnown: (key: string) => boolean;
  /** False: Koa answers everything, with the same bytes, but slower. Tests compare the two. */
  readonly hasFastPaths: boolean;
  readonly metrics: MapperMetrics;
  readonly log: Log;
}

/** The public HTTP interface: the fast paths answer usual requests, Koa answers all others. */
export function createHandlers(options: HandlerOptions): Handlers {
  const { shortener, finder, clicks, orphans, corsOrigins, accounts, limits, publicUrl, metrics, log } =
    options;
  const { targets: rules } = options;
  const parse = createShortenRequestParser(rules, Date.now);
  const hashPassword: HashPassword = async (password, ownerId) =>
    accounts.linkPasswords.hash(password, ownerId);
  const prepare = createPreparer(hashPassword);
  const readOwn = createOwnBodyReader(parse, rules);
  const redirects = new RedirectTally(metrics, clicks, orphans);
  const shortens = new ShortenTally(metrics);
  const requestIds = new RequestIds();
  const { ownLinks: own, live, reservations, secret, statistics } = options;
  const repeats = new Repeats({ reservations, own, targets: rules, prepare, publicUrl, secret });
  const answerRepeatable: AnswerRepeatable = async (request) => repeats.answer(request);
  const refusals = new Refusals(options.following.notFoundUrl);
  const visits = createFollow(options, refusals);
  const making = { shortener, prepare, shortens, answerRepeatable };
  const shared = { publicUrl, statistics, finder, redirects, refusals, visits, requestIds, log, ...making };
  const app = createApp({
    addRoutes: (router) => {
      // Not for links: a redirect is for people who follow it.
      if (corsOrigins.length > 0) router.use([...accounts.paths], createCors(corsOrigins));
      const tools = options.bulk;
      const ofLinks = { own, live, tools, rules, hashPassword, parse, readOwn, repeats, metrics };
      const services = {
        ...createLinkServices({ ...shared, ...ofLinks }),
        imports: options.imports,
        images: options.images?.service,
        webhooks: options.webhooks,
        orphans,
      };
      const ownerOf: UrlsRouteOptions['ownerOf'] = async (request, response) =>
        accounts.ownerOf(request, response);
      const { hasStylePage = false } = options.following;
      const { domains } = options;
      const ofPages = { site: siteOf(options), hasStylePage, domains, finder, limits: followLimits(limits) };
      accounts.addRoutes(router, services, (api) => addPages(router, api, ofPages));
      addUrlsRoute(router, { ...shared, parse, ownerOf });
      const ownPaths = new Set([...accounts.paths, ...PAGE_PATHS, '/docs']);
      const paths = [...ownPaths].filter((path) => path !== IMAGES_PATH);
      addSiteRoutes(router, { rootUrl: options.following.rootUrl, paths });
      const { isForeignKnown } = options;
      addImageRoutes(router, {
        ...shared,
        views: options.images?.views,
        clicks,
        tally: new ImageTally(metrics),
        limits: {
          ...followLimits(limits),
          addressOf: (request) =>
            limits.addressOf(limits.peerOf(request.socket), headerOf(request, 'x-forwarded-for')),
        },
        nowMs: Date.now,
      });
      addRedirectRoute(router, { ...shared, isForeignKnown, limits: followLimits(limits) });
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
  const shorten = new FastShorten({
    ...shared,
    read: createBodyReader(parse, rules),
    readOwn,
    ownerOfKey: (authorization) => accounts.ownerOfKey(authorization),
  });
  const fast = { redirect, shorten, limits };
  return {
    any: (request, response) => (tryFast(fast, request, response) ? undefined : slow(request, response)),
    usual: rulesOf(fast),
  };
}

function siteOf({ accounts, isSignupOpen, following, publicUrl }: HandlerOptions): Site {
  const { hasUsers } = accounts;
  const hasFrontPage = following.rootUrl === undefined;
  return { publicUrl, isSignupOpen: isSignupOpen && hasUsers, hasAccounts: hasUsers, hasFrontPage };
}

/** Search engines and messengers may show pictures of ours. */
const IMAGES_PATH = '/images';

/** A longer `Location` is refused by many proxies. An operator who allows longer targets has set them up. */
const MAX_LOCATION_BYTES = 4_096;

function createFollow(options: HandlerOptions, refusals: Refusals): Follow {
  const { following, gates, limits, publicUrl, targets, countryAt } = options;
  const { countryHeader } = following;
  return new Follow({
    refusals,
    gates,
    images: options.images?.views.pages,
    findCountry: createFindCountry({
      header: countryHeader?.toLowerCase(),
      isProxy: (peer) => limits.peerOf(peer).isProxy,
      countryOf: (request) => {
        const address = limits.addressOf(limits.peerOf(request.peer), request.header('x-forwarded-for'));
        return address === undefined ? undefined : countryAt(address);
      },
    }),
    countryHeader,
    publicUrl,
    maxLocationBytes: Math.max(MAX_LOCATION_BYTES, targets.maxBytes),
    nowMs: Date.now,
    now: monotonicMs,
  });
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
  return shorten.tryAnswer(request, reply, client === undefined ? undefined : admitOf(limits, client));
}

/** The front's rules for the connections of each kind of peer. */
function rulesOf(fast: FastPaths): FrontOptions['rulesFor'] {
  const { redirect, shorten, limits } = fast;
  const handle: FrontHandler = (request, bytes, reply) =>
    request.method === 'POST'
      ? shorten.tryBody(request, bytes.subarray(request.bodyStart, request.end), reply)
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
        handle: (request, bytes, reply) => handlerOf(request.forwardedFor)(request, bytes, reply),
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
  const admit = admitOf(limits, client);
  return (request, bytes, reply) => {
    const { method, path, bodyStart, end } = request;
    if (method === 'POST') return shorten.tryBody(request, bytes.subarray(bodyStart, end), reply, admit);
    const refused = limits.admitFollow(client, reply);
    return refused === undefined
      ? redirect.tryPath(path, limits.watch(client, reply))
      : redirect.tryRefusePath(path, refused.reply, refused.refusal);
  };
}

function admitOf(limits: Limits, client: string): Admit {
  return (reply, keyId) =>
    keyId === undefined ? limits.admitAnonymous(client, reply) : limits.admitKey(keyId, reply);
}
