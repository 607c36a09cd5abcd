import type { IncomingHttpHeaders } from 'node:http';
import { parseApiKey, parseToken, type KeyProof } from './secrets.ts';

/** What a request says about its sender, not yet checked against a store. */
export type Credential =
  | { readonly kind: 'none' }
  /** An `Authorization` that cannot be a key of ours, or a session's cookie that cannot be one. */
  | { readonly kind: 'malformed' }
  | ({ readonly kind: 'key' } & KeyProof)
  | { readonly kind: 'session'; readonly hash: Buffer };

/** Sessions end so long after their last use. */
export const SESSION_MS = 30 * 86_400_000;

const BEARER = /^bearer +(\S+)$/i;

/** The name of the session's cookie. With https, browsers then take it only for this very host. */
export function cookieNameFor(publicUrl: string): string {
  return publicUrl.startsWith('https:') ? '__Host-keymill' : 'keymill_session';
}

/** Reads the headers of a request. A key goes before a cookie. */
export function parseCredential(
  { authorization, cookie }: IncomingHttpHeaders,
  cookieName: string,
): Credential {
  if (authorization !== undefined) {
    const proof = parseApiKey(BEARER.exec(authorization)?.[1] ?? '');
    return proof === undefined ? { kind: 'malformed' } : { kind: 'key', ...proof };
  }
  const secret = cookie === undefined ? undefined : findCookie(cookie, cookieName);
  if (secret === undefined) return { kind: 'none' };
  const hash = parseToken(secret);
  return hash === undefined ? { kind: 'malformed' } : { kind: 'session', hash };
}

/**
 * The value of `Set-Cookie` for a session that begins or goes on; undefined: it has ended. Scripts cannot
 * read the cookie, and other sites cannot send it with anything that changes something.
 * @param name of {@link cookieNameFor}
 */
export function formatCookie(name: string, secret: string | undefined): string {
  const maxAgeS = secret === undefined ? 0 : SESSION_MS / 1_000;
  const secure = name.startsWith('__Host-') ? '; Secure' : '';
  return `${name}=${secret ?? ''}; Path=/; Max-Age=${maxAgeS}; HttpOnly; SameSite=Lax${secure}`;
}

/** The secret of a session in a header `Cookie`. */
export function findCookie(header: string, name: string): string | undefined {
  for (const pair of header.split(';')) {
    const at = pair.indexOf('=');
    if (at > 0 && pair.slice(0, at).trim() === name) return pair.slice(at + 1).trim();
  }
  return undefined;
}
