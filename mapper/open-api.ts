import type { Router } from '@koa/router';
import { addDocsRoutes } from './api/docs-page.ts';
import { ENDPOINTS } from './api/endpoints.ts';
import { ImportService } from './api/import-service.ts';
import { createOpenApi } from './api/openapi.ts';
import { addPasswordPage } from './api/password-page.ts';
import { addEndpoints } from './api/router.ts';
import { followLimits } from './follow-limits.ts';
import type { HandlerOptions, HandlerParts } from './handler-parts.ts';
import { createCors } from './http/cors.ts';
import { createLinkServices } from './link-services.ts';
import { addPages } from './open-pages.ts';
import { API_PATHS } from './own-paths.ts';
import type { Site } from './pages/layout.ts';

/** Adds the API with its document, and the pages for people. */
export function addApi(router: Router, options: HandlerOptions, parts: HandlerParts): void {
  const {
    accounts,
    bulk: tools,
    corsOrigins,
    domains,
    finder,
    limits,
    live,
    metrics,
    ownLinks: own,
  } = options;
  const { publicUrl, targets: rules } = options;
  // Not for links: a redirect is for people who follow it.
  if (corsOrigins.length > 0) router.use([...API_PATHS], createCors(corsOrigins));
  const services = {
    ...accounts.api.services,
    ...createLinkServices({ ...parts.shared, ...parts, own, live, tools, rules, metrics }),
    imports: new ImportService(options.imports),
    images: options.images?.service,
    webhooks: options.webhooks,
    orphans: options.orphans,
  };
  const api = { ...accounts.api, services };
  // A form comes before the JSON of the same path.
  addPasswordPage(router, { accounts: services.accounts, limits });
  const { hasStylePage = false } = options.following;
  addPages(router, api, {
    site: siteOf(options),
    hasStylePage,
    domains: { file: domains, isBlockedHost: domains.isBlockedHost },
    finder,
    limits: followLimits(limits),
  });
  addEndpoints(router, ENDPOINTS, api);
  addDocsRoutes(router, () => createOpenApi(ENDPOINTS, { publicUrl, cookieName: api.cookieName }));
}

function siteOf({ accounts, isSignupOpen, following, publicUrl }: HandlerOptions): Site {
  const { hasUsers } = accounts;
  const hasFrontPage = following.rootUrl === undefined;
  return { publicUrl, isSignupOpen: isSignupOpen && hasUsers, hasAccounts: hasUsers, hasFrontPage };
}
