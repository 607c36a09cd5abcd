import { isReserved, wasAlwaysReserved } from './reserved.ts';

export const MIN_ALIAS_CHARACTERS = 3;
export const MAX_ALIAS_CHARACTERS = 64;

const SHAPE = new RegExp(`^[A-Za-z0-9_-]{${MIN_ALIAS_CHARACTERS},${MAX_ALIAS_CHARACTERS}}$`);

/** Why a link cannot have this alias. Undefined when it can, if the alias is still free. */
export function whyAliasRefused(alias: string): string | undefined {
  if (alias.length < MIN_ALIAS_CHARACTERS || alias.length > MAX_ALIAS_CHARACTERS) {
    return `must have ${MIN_ALIAS_CHARACTERS} to ${MAX_ALIAS_CHARACTERS} characters`;
  }
  if (!SHAPE.test(alias)) return 'may only contain A-Z a-z 0-9 _ -';
  if (isReserved(alias)) return 'is reserved';
  return undefined;
}

/**
 * Whether a path segment could be a key or an alias. Any other segment is answered 404 without a read of a
 * store. Every key (6 to 10 characters of the same alphabet) has the shape of an alias.
 */
export function hasKeyShape(segment: string): boolean {
  return SHAPE.test(segment) && !wasAlwaysReserved(segment);
}
