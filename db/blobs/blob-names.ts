const SEGMENT = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}$/;
const MAX_CHARACTERS = 800;

/** Whether a text can be a part of a name between two slashes. The stores' own files begin with a dot. */
export function isSegment(text: string): boolean {
  return SEGMENT.test(text);
}

/**
 * Whether a text can be the name of a blob. No name may continue another one behind a `/`, as `a/b` would
 * continue `a`: a directory cannot store both.
 */
export function isBlobName(text: string): boolean {
  return text.length <= MAX_CHARACTERS && text.split('/').every(isSegment);
}

/** @throws RangeError for a name that no blob can have: a mistake of the caller */
export function checkName(name: string): void {
  if (!isBlobName(name)) throw new RangeError(`no blob can have the name ${JSON.stringify(name)}`);
}

/** @throws RangeError for a prefix with which no name begins */
export function checkPrefix(prefix: string): void {
  const segments = prefix.split('/');
  const last = segments.pop() ?? '';
  const isPossible = segments.every(isSegment) && (last === '' || isSegment(last));
  if (!isPossible || prefix.length > MAX_CHARACTERS)
    throw new RangeError(`no blob has a name that begins with ${JSON.stringify(prefix)}`);
}
