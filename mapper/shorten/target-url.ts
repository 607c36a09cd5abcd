import { whyNoHost } from '../../runtime/why-no-host.ts';
import { isPublicAddress, spellAddress } from './address-blocks.ts';
import { cutInvisibleEnds } from './invisible-ends.ts';

/** An address of this service; see {@link ownAddressesOf}. */
export interface OwnAddress {
  /** As {@link hostOf} spells it. */
  readonly host: string;
  /** Undefined: every port is ours. */
  readonly port: string | undefined;
}

export interface TargetRules {
  /** The addresses of this service. A link to one could loop. */
  readonly own: readonly OwnAddress[];
  /** Accepts targets in private networks and on localhost: for intranets and tests. */
  readonly allowPrivateTargets: boolean;
  /** The longest target, as it is typed and percent-encoded. Proxies refuse a long `Location`. */
  readonly maxBytes: number;
  /** Whether the operator has blocked a host or a domain above it. */
  readonly isBlockedHost?: (host: string) => boolean;
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
  const { own, allowPrivateTargets, maxBytes } = rules;
  const text = cutInvisibleEnds(input);
  // No character has more than three bytes for each code unit, so most texts need not be counted.
  if (3 * text.length > maxBytes && Buffer.byteLength(text) > maxBytes)
    return refuse(`is longer than ${maxBytes} bytes`);
  const url = URL.parse(text);
  if (url === null) return refuse(whyNoUrl(text));
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return refuse('must be an http or https URL');
  if (url.href.length > maxBytes) return refuse(`is longer than ${maxBytes} bytes once percent-encoded`);
  if (url.username !== '' || url.password !== '') return refuse('must not contain credentials');
  const name = nameOf(url.hostname);
  if (isOwn(name, url, own)) return refuse('points back at this service');
  if (!allowPrivateTargets && isPrivate(name)) return refuse('points at a private or reserved address');
  if (rules.isBlockedHost?.(name) === true) return refuse('points at a blocked domain');
  const fault = whyNoHost(url);
  return fault === undefined ? { ok: true, href: url.href } : refuse(fault);
}

/**
 * The origin of short links, and the address on which the mapper listens. A short domain is ours on every
 * port. An address, localhost and the name of a listening host are ours only on our own port: other services
 * run there too.
 */
export function ownAddressesOf(publicUrl: string, listeningUrl: string): OwnAddress[] {
  const own = ownAddressOf(publicUrl, false);
  // A zone, as in fe80::1%eth0, can be listened on and cannot be in a URL.
  const listening = listeningUrl.replace(/%[^\]]*\]/, ']');
  if (listening === publicUrl || !URL.canParse(listening)) return [own];
  return [own, ownAddressOf(listening, true)];
}

function ownAddressOf(text: string, isListening: boolean): OwnAddress {
  const url = new URL(text);
  const host = hostOf(nameOf(url.hostname));
  const isShared = isListening || host === 'localhost' || isPublicAddress(host) !== undefined;
  return { host, port: isShared ? portOf(url) : undefined };
}

function isOwn(name: string, target: URL, own: readonly OwnAddress[]): boolean {
  const spelled = hostOf(name);
  for (const { host, port } of own)
    if (spelled === host && (port === undefined || portOf(target) === port)) return true;
  return false;
}

/** One spelling for each host: every name and address of this machine is the same. */
function hostOf(name: string): string {
  if (isLocalName(name)) return 'localhost';
  return mayBeAddress(name) ? spellAddress(name) : name;
}

function isPrivate(name: string): boolean {
  return isLocalName(name) || (mayBeAddress(name) && isPublicAddress(name) === false);
}

function isLocalName(name: string): boolean {
  return name === 'localhost' || name.endsWith('.localhost');
}

/** Why a text is no URL, by the part that is wrong, where it is cheap to tell. */
function whyNoUrl(text: string): string {
  if (text === '') return 'is empty';
  const authority = /^https?:[/\\]*([^/\\?#]*)/i.exec(text)?.[1];
  const [, host = '', port = ''] = /^(?:.*@)?(\[.*\]|[^:]*)(?::(\d+))?$/s.exec(authority ?? '') ?? [];
  if (Number(port) > 65_535) return 'has a port above 65535';
  if (/[^\S\t\r\n]|%20/.test(host)) return 'has a blank in its host';
  if (host.startsWith('[')) return 'has no IPv6 address between its brackets (without a zone, such as %eth0)';
  if (/^\d+(?:\.\d+){3}\.?$/.test(host) && host.split('.').some((part) => Number(part) > 255))
    return 'has an IPv4 address with a part above 255';
  return 'is not an absolute URL, such as https://example.com/page';
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
