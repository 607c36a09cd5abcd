import { isPublicAddress } from './address-blocks.ts';

export const MAX_TARGET_CHARACTERS = 2048;
/**
 * Percent-encoding can make a URL nine times as long. Common clients and proxies refuse a longer `Location`.
 */
const MAX_HREF_CHARACTERS = 8_000;

export interface TargetRules {
  /** The origin of this service. A link to it could loop. */
  readonly ownUrl: URL;
  /** Accepts targets in private networks and on localhost: for intranets and tests. */
  readonly allowPrivateTargets: boolean;
}

export type TargetUrl =
  { readonly ok: true; readonly href: string } | { readonly ok: false; readonly reason: string };

/**
 * Decides whether a link may point at `input`. It is stored as the WHATWG `href`.
 *
 * Parsing comes first, so no notation (octal, hexadecimal, full-width digits, percent-encoded hosts) evades a
 * rule. Names are not looked up, because a name may resolve to another address after any check.
 */
export function parseTargetUrl(input: string, rules: TargetRules): TargetUrl {
  if (isTooLong(input)) return refuse(`is longer than ${MAX_TARGET_CHARACTERS} characters`);
  const url = URL.parse(input);
  if (url === null) return refuse('is not an absolute URL');
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return refuse('must be an http or https URL');
  if (url.href.length > MAX_HREF_CHARACTERS) return refuse('is too long once percent-encoded');
  if (url.username !== '' || url.password !== '') return refuse('must not contain credentials');
  if (isOwn(url, rules.ownUrl)) return refuse('points back at this service');
  if (!rules.allowPrivateTargets && isPrivate(url.hostname))
    return refuse('points at a private or reserved address');
  return { ok: true, href: url.href };
}

function isTooLong(input: string): boolean {
  return input.length > MAX_TARGET_CHARACTERS && Array.from(input).length > MAX_TARGET_CHARACTERS;
}

/**
 * A short domain is ours on every port. An address or localhost is ours only on our own port: other services
 * run there too.
 */
function isOwn(target: URL, own: URL): boolean {
  const host = nameOf(target.hostname);
  if (host !== nameOf(own.hostname)) return false;
  const isShared = isLocalName(host) || isPublicAddress(host) !== undefined;
  return !isShared || portOf(target) === portOf(own);
}

function isPrivate(hostname: string): boolean {
  return isLocalName(nameOf(hostname)) || (mayBeAddress(hostname) && isPublicAddress(hostname) === false);
}

function isLocalName(name: string): boolean {
  return name === 'localhost' || name.endsWith('.localhost');
}

/**
 * By its last character: WHATWG writes dotted numbers, or brackets around IPv6. Most names then need no
 * further check.
 */
function mayBeAddress(hostname: string): boolean {
  return /[\d\]]$/.test(hostname);
}

/** A name is the same with and without final dots. */
function nameOf(hostname: string): string {
  return hostname.endsWith('.') ? hostname.replace(/\.+$/, '') : hostname;
}

function portOf(url: URL): string {
  if (url.port !== '') return url.port;
  return url.protocol === 'https:' ? '443' : '80';
}

function refuse(reason: string): TargetUrl {
  return { ok: false, reason };
}
