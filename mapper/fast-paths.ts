import type { FastRedirect } from './fast-redirect.ts';
import type { Handler } from './server.ts';

export interface FastPaths {
  readonly redirect: FastRedirect;
}

/** Lets the fast paths answer what is usual, and `app` everything else. */
export function putInFront({ redirect }: FastPaths, app: Handler): Handler {
  return (request, response) => {
    const { method } = request;
    if ((method === 'GET' || method === 'HEAD') && redirect.tryAnswer(request, response)) return undefined;
    return app(request, response);
  };
}
