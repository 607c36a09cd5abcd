/**
 * Puts the query of a request behind that of a target, before its fragment. The bytes of both stay as they
 * are, so no parameter of the target is replaced (a browser or server that sees one twice decides by itself).
 *
 * @param target a href
 * @param query what follows `?` in the target of the request
 */
export function forwardQuery(target: string, query: string | undefined): string {
  if (query === undefined || query === '') return target;
  const hash = target.indexOf('#');
  const [before, fragment] = hash < 0 ? [target, ''] : [target.slice(0, hash), target.slice(hash)];
  return `${before}${joint(before)}${query}${fragment}`;
}

/** An empty query has nothing to which `&` could add. */
function joint(before: string): string {
  if (!before.includes('?')) return '?';
  return before.endsWith('?') ? '' : '&';
}
