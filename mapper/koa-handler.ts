import type { Router } from '@koa/router';
import { addSiteRoutes } from './following/site-routes.ts';
import { followLimits } from './follow-limits.ts';
import type { HandlerOptions, HandlerParts } from './handler-parts.ts';
import { createApp } from './http/app.ts';
import { headerOf } from './http/request-facts.ts';
import type { Handler } from './http/server.ts';
import { OWN_PATHS } from './own-paths.ts';
import { addRedirectRoute } from './redirect/redirect-route.ts';
import { addUrlsRoute } from './shorten/shorten-route.ts';
import { addImageRoutes } from './views/image-route.ts';
import { ImageTally } from './views/image-tally.ts';

/** Search engines and messengers may show pictures of ours. */
const IMAGES_PATH = '/images';

/**
 * Koa with the routes of links.
 * @param addApi adds the routes of the API and of pages, which come before those of links
 */
export function createKoaHandler(
  options: HandlerOptions,
  { shared, parse }: HandlerParts,
  addApi: (router: Router) => void = () => undefined,
): Handler {
  const { accounts, clicks, following, isForeignKnown, limits, metrics } = options;
  return createApp({
    addRoutes: (router) => {
      addApi(router);
      addUrlsRoute(router, {
        ...shared,
        parse,
        ownerOf: async (request, response) => accounts.ownerOf(request, response),
      });
      const paths = OWN_PATHS.filter((path) => path !== IMAGES_PATH);
      addSiteRoutes(router, { rootUrl: following.rootUrl, paths });
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
    requestIds: shared.requestIds,
    log: shared.log,
  }).callback();
}
