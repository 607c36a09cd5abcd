/*
 * The first segments of all paths that are no links. They are written out, because the endpoints and pages
 * that have them are not loaded before somebody asks for one. A test compares them.
 */

/** Of the API, also of those that other rooms serve. */
export const API_PATHS: readonly string[] = [
  '/urls',
  '/images',
  '/stats',
  '/import',
  '/users',
  '/login',
  '/logout',
  '/admin',
  '/openapi.json',
];

/** Of paths that only pages have. */
export const PAGE_PATHS: readonly string[] = ['/signup', '/settings', '/static'];

export const OWN_PATHS: readonly string[] = [...API_PATHS, ...PAGE_PATHS, '/docs'];

const OWN = new Set(OWN_PATHS);

/** A path whose first segment every parser of URLs finds in the same place. */
const PLAIN = /^(\/[\w.~+%:@!$&'()*,;=-]+)(?:[/?]|$)/;

/** Whether the API or a page may answer a request; also when its path may be read in several ways. Pure. */
export function isOwnPath(url = '/'): boolean {
  const [, first] = PLAIN.exec(url) ?? [];
  return first === undefined || OWN.has(first);
}
