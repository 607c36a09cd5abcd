/** The path of the page of a link. A code of another shortener may contain slashes. */
export function pathOfLink(key: string): string {
  return `/urls/${encodeURIComponent(key)}`;
}

/** The path of the page of a link for administrators. */
export function adminPathOfLink(key: string): string {
  return `/admin/links/${encodeURIComponent(key)}`;
}

/**
 * The page of a new link. `/urls/new` could be a link with the alias `new`; behind `/urls/<key>/` stands only
 * what the API has there.
 */
export const NEW_LINK_PATH = '/urls/-/new';

/** The page of the clicks of all own links. `/stats` is the API's. */
export const OVERVIEW_PATH = '/urls/-/statistics';
