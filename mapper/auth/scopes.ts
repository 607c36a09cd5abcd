/** What an API key may be allowed to do. A session has all of them, `admin` only if its user is one. */
export const SCOPES = [
  'links:create',
  'links:read',
  'links:write',
  'stats:read',
  'account',
  'admin',
] as const;

export type Scope = (typeof SCOPES)[number];

/** The scopes that one contains beside itself. */
const CONTAINED: Readonly<Partial<Record<Scope, readonly Scope[]>>> = {
  'links:write': ['links:create', 'links:read'],
  admin: SCOPES,
};

/** Whether somebody with the scopes `held` may do what `wanted` allows. */
export function isAllowed(held: readonly Scope[], wanted: Scope): boolean {
  return held.some((scope) => scope === wanted || CONTAINED[scope]?.includes(wanted) === true);
}

/** The scopes of a session. */
export function scopesOfSession(isAdmin: boolean): readonly Scope[] {
  return isAdmin ? SCOPES : SCOPES.filter((scope) => scope !== 'admin');
}

/**
 * The scopes of a key as they are stored. Unknown ones are dropped: a later release may have written them. Of
 * a user who is no administrator, or is none any more, `admin` allows nothing.
 */
export function scopesOfKey(stored: readonly string[], isAdmin: boolean): readonly Scope[] {
  return SCOPES.filter((scope) => stored.includes(scope) && (scope !== 'admin' || isAdmin));
}
