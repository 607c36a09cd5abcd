import type { Router } from '@koa/router';
import type { ApiOptions } from './api/call-endpoint.ts';
import { ENDPOINTS } from './api/endpoints.ts';
import { addPagesOfLinks } from './link-pages/add-pages.ts';
import type { ShownDomains } from './link-pages/admin-pages.ts';
import type { Site } from './pages/layout.ts';
import { PageRoutes } from './pages/page-routes.ts';
import { addSignInPages } from './pages/sign-in.ts';
import { addStaticRoute } from './pages/static-route.ts';

export interface PagesOptions {
  readonly api: ApiOptions;
  readonly site: Site;
  readonly domains: ShownDomains;
}

/** The first segments of the paths that only pages have. */
export const PAGE_PATHS = ['/login', '/logout', '/signup', '/settings', '/static'];

/** Adds the pages for people. They come before the endpoints of the same paths. */
export function addPages(router: Router, { api, site, domains }: PagesOptions): void {
  addStaticRoute(router);
  const pages = new PageRoutes(router, { api, endpoints: ENDPOINTS, site });
  addSignInPages(pages);
  addPagesOfLinks(pages, domains);
}
