import { createHmac, timingSafeEqual } from 'node:crypto';
import { digestOf } from '../admin-policy.ts';

/*
 * Who may look: whoever knows the admin token. A browser is asked for it once, and then has a cookie. The
 * cookie does not contain the token: what is stolen from a browser opens the dashboard of one port only.
 * Cookies do not tell ports apart, so the port is in the name.
 */

/** The token of a port, and the port. */
export interface Door {
  readonly token: string;
  readonly port: number;
}

/** Whether a request has the cookie of this port. @param header of the request */
export function hasCookie(door: Door, header: string | undefined): boolean {
  const wanted = digestOf(valueOf(door));
  const name = nameOf(door);
  return (header ?? '')
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${name}=`))
    .some((pair) => timingSafeEqual(digestOf(pair.slice(name.length + 1)), wanted));
}

/** Whether somebody has typed the token. */
export function isToken({ token }: Door, given: string): boolean {
  return timingSafeEqual(digestOf(given.trim()), digestOf(token));
}

/** The value of `Set-Cookie` that lets a browser in until it is closed. */
export function cookieOf(door: Door): string {
  return `${nameOf(door)}=${valueOf(door)}; ${ATTRIBUTES}`;
}

/** The value of `Set-Cookie` that takes it back. */
export function noCookieOf(door: Door): string {
  return `${nameOf(door)}=; Max-Age=0; ${ATTRIBUTES}`;
}

const ATTRIBUTES = 'Path=/dashboard; HttpOnly; SameSite=Strict';

function nameOf({ port }: Door): string {
  return `keymill-admin-${port}`;
}

function valueOf({ token, port }: Door): string {
  return createHmac('sha256', token).update(`dashboard of port ${port}`).digest('base64url');
}
