import type { FastRedirect } from './redirect/fast-redirect.ts';
import type { FastShorten } from './shorten/fast-shorten.ts';
import type { Handler } from './http/server.ts';

export interface FastPaths {
  readonly redirect: FastRedirect;
  readonly shorten: FastShorten;
}

/** Lets the fast paths answer what is usual, and `app` everything else. */
export function putInFront({ redirect, shorten }: FastPaths, app: Handler): Handler {
  return (request, response) => {
    const { method } = request;
    if (method === 'GET' || method === 'HEAD') {
      if (redirect.tryAnswer(request, response)) return undefined;
    } else if (method === 'POST' && shorten.tryAnswer(request, response)) return undefined;
    return app(request, response);
  };
}
