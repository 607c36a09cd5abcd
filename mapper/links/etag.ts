import type { OwnLink } from '../../db/own-links/own-link.ts';

/**
 * The strong entity tag of a link, over all but its clicks. A server that was restored from a backup uses
 * version numbers again, so 8 digits of the last change's id are part of it.
 */
export function etagOf({ version, changedBy }: Pick<OwnLink, 'version' | 'changedBy'>): string {
  return `"${version}-${changedBy.slice(0, 8)}"`;
}

/**
 * Whether an `If-Match` or `If-None-Match` header names this tag (RFC 9110, section 13.1).
 * @param isWeak `If-None-Match` compares weakly: `W/"…"` matches too. `If-Match` does not.
 */
export function isNamedBy(header: string, etag: string, isWeak: boolean): boolean {
  if (header.trim() === '*') return true;
  return [...header.matchAll(/(W\/)?("[^"]*")/g)].some(
    ([, weak, tag]) => tag === etag && (isWeak || weak === undefined),
  );
}
