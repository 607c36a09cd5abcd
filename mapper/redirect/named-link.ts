import { hasKeyShape } from '../../db/keyspace/alias.ts';
import { findForeignKey, findTypedForeignKey } from '../../db/keyspace/foreign-code.ts';
import { decodeBytes, findPreviewed, findTypedKey } from '../../db/keyspace/typed-key.ts';

/** The link that a path names. */
export interface NamedLink {
  /** The keys that the text may mean, the likeliest first: the first that exists is meant. */
  readonly keys: readonly string[];
  /** `/{key}+`: the visitor asks where the link leads. */
  readonly isPreview: boolean;
}

/**
 * The keys that a path may mean. A text that is a key means nothing else. Any other text may be a code of
 * another shortener, and if there is no such link, a code or key that was typed with the text around it.
 *
 * @param path with the slash before it, as it was sent
 * @param isForeignKnown whether there may be a link with this code of another shortener
 */
export function findNamedLink(path: string, isForeignKnown: (key: string) => boolean): NamedLink {
  const text = path.slice(1);
  const previewed = findPreviewed(text);
  return previewed === undefined
    ? { keys: keysOf(text, isForeignKnown), isPreview: false }
    : { keys: keysOf(previewed, isForeignKnown), isPreview: true };
}

function keysOf(text: string, isForeignKnown: (key: string) => boolean): string[] {
  const decoded = decodeBytes(text);
  if (hasKeyShape(decoded)) return [decoded];
  const foreign = [findForeignKey(text), findTypedForeignKey(text)];
  const typed = findTypedKey(text);
  const keys = foreign.filter((key) => key !== undefined && isForeignKnown(key));
  if (typed !== undefined && hasKeyShape(typed)) keys.push(typed);
  return [...new Set(keys.filter((key) => key !== undefined))];
}
