import type { IncomingHttpHeaders } from 'node:http';

/** Whether `Origin` is that of this service, as browsers or proxies name it. @param publicUrl an origin */
export function isOwnOrigin(origin: string, { host }: IncomingHttpHeaders, publicUrl: string): boolean {
  return [publicUrl, `http://${host}`, `https://${host}`].includes(origin);
}

/**
 * Whether a form was sent by a page of this service. Every browser says in one of two headers where a form
 * comes from; what says nothing is no browser, or hides something.
 * @param publicUrl an origin
 */
export function isOwnForm(headers: IncomingHttpHeaders, publicUrl: string): boolean {
  const { origin } = headers;
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin') return false;
  return origin === undefined ? site !== undefined : isOwnOrigin(origin, headers, publicUrl);
}
