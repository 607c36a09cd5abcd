const PREFETCH = /\bprefetch\b/i;

/** The headers in which browsers say it, in lower case. */
const HEADERS = ['sec-purpose', 'purpose', 'x-moz'];

/**
 * Whether a browser fetches the link before anybody has followed it. `Sec-Purpose` is of the Fetch standard
 * (`prefetch`, `prefetch;prerender`); `Purpose` and `X-Moz` are of browsers before it.
 * @param headerOf the value of a header
 */
export function isPrefetch(headerOf: (name: string) => string | undefined): boolean {
  return HEADERS.some((name) => PREFETCH.test(headerOf(name) ?? ''));
}
