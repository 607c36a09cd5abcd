import type { Limits } from './limits/limits.ts';
import type { RedirectRouteOptions } from './redirect/redirect-route.ts';

/** The limits of requests for links that Koa answers. */
export function followLimits(limits: Limits): RedirectRouteOptions['limits'] {
  return {
    admit: (request, response) => {
      const client = limits.clientOf(request);
      if (client !== undefined) limits.enforceFollow(client, response);
    },
    missed: (request) => {
      const client = limits.clientOf(request);
      if (client !== undefined) limits.missed(client);
    },
  };
}
