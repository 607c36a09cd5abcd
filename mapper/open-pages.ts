import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Router } from '@koa/router';
import { hasKeyShape } from '../db/keyspace/alias.ts';
import { monotonicMs } from '../runtime/clock.ts';
import type { ApiOptions } from './api/call-endpoint.ts';
import { ENDPOINTS } from './api/endpoints.ts';
import { addFrontPage, type FrontPageOptions } from './pages/front-page.ts';
import type { Site } from './pages/layout.ts';
import { PageRoutes } from './pages/page-routes.ts';
import { addSettingsPages } from './pages/settings-pages.ts';
import { addSignInPages } from './pages/sign-in.ts';
import { addStaticRoute } from './pages/static-route.ts';
import { addStylePage } from './pages/style-page.ts';
import type { LinkFinder } from './redirect/link-finder.ts';
import { locationOf, lookUpFailure, whyRefused } from './redirect/redirect-answer.ts';
import type { RedirectRouteOptions } from './redirect/redirect-route.ts';
import type { ShortenTally } from './shorten/shorten-answer.ts';
import { overloaded } from './shorten/shorten-problems.ts';
import type { ParseShortenRequest, PrepareRequest } from './shorten/shorten-request.ts';
import type { UrlsRouteOptions } from './shorten/shorten-route.ts';
import type { Shortener } from './shorten/shortener.ts';

export interface PagesOptions {
  readonly site: Site;
  /** Whether `/docs/style` shows the parts of pages. */
  readonly hasStylePage: boolean;
  readonly shortener: Shortener;
  readonly parse: ParseShortenRequest;
  readonly prepare: PrepareRequest;
  readonly shortens: ShortenTally;
  readonly ownerOf: UrlsRouteOptions['ownerOf'];
  readonly finder: LinkFinder;
  /** Clients who ask for many links that do not exist. */
  readonly limits: RedirectRouteOptions['limits'];
}

/** The first segments of the paths that only pages have. */
export const PAGE_PATHS = ['/signup', '/settings', '/static'];

/** Adds the pages for people. They come before the endpoints of the same paths. */
export function addPages(router: Router, api: ApiOptions, options: PagesOptions): void {
  const { site, hasStylePage } = options;
  addStaticRoute(router);
  const pages = new PageRoutes(router, { api, endpoints: ENDPOINTS, site });
  addFrontPage(pages, {
    makeLink: async (request, response, body) => makeLink(request, response, body, options),
    findLink: async (request, response, key) => findLink(request, response, key, options),
  });
  addSignInPages(pages);
  addSettingsPages(pages);
  if (hasStylePage) addStylePage(pages);
}

/** As `POST /urls` does it. @returns the key */
async function makeLink(
  request: IncomingMessage,
  response: ServerResponse,
  body: Readonly<Record<string, unknown>>,
  { shortener, parse, prepare, shortens, ownerOf }: PagesOptions,
): Promise<string> {
  const startedMs = monotonicMs();
  try {
    if (shortener.isFull) throw overloaded();
    const owner = await ownerOf(request, response);
    const { key } = await shortener.shorten(await prepare(parse(body, owner ?? null)));
    shortens.created(startedMs);
    return key;
  } catch (error) {
    shortens.refused(error, startedMs);
    throw error;
  }
}

/** A link that can be followed. Its target is shown where a preview would show it to everybody. */
async function findLink(
  request: IncomingMessage,
  response: ServerResponse,
  key: string,
  { finder, limits }: PagesOptions,
): ReturnType<FrontPageOptions['findLink']> {
  limits.admit(request, response);
  if (!hasKeyShape(key)) return undefined;
  const { entry } = await finder.find(key).catch((error: unknown) => {
    throw lookUpFailure(error);
  });
  if (entry === 'unknown') limits.missed(request);
  if (entry === 'unknown' || whyRefused(entry, Date.now()) !== undefined) return undefined;
  const { passwordHash, maxVisits, targets, image } = entry.rules ?? {};
  const isHidden = [passwordHash, maxVisits, targets, image].some((rule) => rule !== undefined);
  return { longUrl: isHidden ? undefined : locationOf(entry) };
}
