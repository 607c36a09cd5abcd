import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Router } from '@koa/router';
import { hasKeyShape } from '../db/keyspace/alias.ts';
import type { ApiOptions } from './api/call-endpoint.ts';
import { CHART_ENDPOINTS } from './api/chart-endpoints.ts';
import { ENDPOINTS } from './api/endpoints.ts';
import { addPagesOfLinks } from './link-pages/add-pages.ts';
import type { ShownDomains } from './link-pages/domain-pages.ts';
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

export interface PagesOptions {
  readonly site: Site;
  readonly domains: ShownDomains;
  /** Whether `/docs/style` shows the parts of pages. */
  readonly hasStylePage: boolean;
  readonly finder: LinkFinder;
  /** Clients who ask for many links that do not exist. */
  readonly limits: RedirectRouteOptions['limits'];
}

/** Adds the pages for people. They come before the endpoints of the same paths. */
export function addPages(router: Router, api: ApiOptions, options: PagesOptions): void {
  const { site, hasStylePage, domains } = options;
  addStaticRoute(router);
  const pages = new PageRoutes(router, { api, endpoints: [...ENDPOINTS, ...CHART_ENDPOINTS], site });
  addFrontPage(pages, {
    findLink: async (request, response, key) => findLink(request, response, key, options),
  });
  addSignInPages(pages);
  addPagesOfLinks(pages, domains);
  addSettingsPages(pages);
  if (hasStylePage) addStylePage(pages);
  pages.refuseOthers();
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
