import type { IncomingHttpHeaders } from 'node:http';

const PREFETCH = /\bprefetch\b/i;

/**
 * Whether a browser fetches the link before anybody has followed it. `Sec-Purpose` is of the Fetch standard
 * (`prefetch`, `prefetch;prerender`); `Purpose` and `X-Moz` are of browsers before it.
 */
export function isPrefetch(headers: IncomingHttpHeaders): boolean {
  return [headers['sec-purpose'], headers['purpose'], headers['x-moz']].some(
    (value) => value !== undefined && PREFETCH.test(String(value)),
  );
}
