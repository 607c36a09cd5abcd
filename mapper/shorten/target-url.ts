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

/** `href` may be a view of the text that was parsed, so only a copy of it may be kept for long. */
export type TargetUrl =
  { readonly ok: true; readonly href: string } | { readonly ok: false; readonly reason: string };

/** What the rules ask of a URL. Without a port of its own it has that of its scheme. */
type Parts = Pick<URL, 'href' | 'hostname' | 'port'>;

/**
 * Decides whether a link may point at `input`. It is stored as the WHATWG `href`.
 *
 * Parsing comes first, so no notation (octal, hexadecimal, full-width digits, percent-encoded hosts) evades a
 * rule. Names are not looked up, because a name may resolve to another address after any check.
 */
export function parseTargetUrl(input: string, rules: TargetRules): TargetUrl {
  const { maxBytes } = rules;
  const text = cutInvisibleEnds(input);
  // No character has more than three bytes for each code unit, so most texts need not be counted.
  if (3 * text.length > maxBytes && Buffer.byteLength(text) > maxBytes)
    return refuse(`is longer than ${maxBytes} bytes`);
  const usual = USUAL.exec(text);
  if (usual !== null) {
    const [, secure, hostname] = usual as unknown as readonly [string, string, string];
    return judge({ href: text, hostname, port: secure === '' ? '80' : '443' }, rules);
  }
  const url = URL.parse(text);
  if (url === null) return refuse(whyNoUrl(text));
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return refuse('must be an http or https URL');
  if (url.href.length > maxBytes) return refuse(`is longer than ${maxBytes} bytes once percent-encoded`);
  if (url.username !== '' || url.password !== '') return refuse('must not contain credentials');
  return judge({ href: url.href, hostname: url.hostname, port: portOf(url) }, rules);
}

/** Characters of a path, query or fragment that are written as they are. A dot or % in a path: see USUAL. */
const KEPT = String.raw`\w~!$&()*+,;=:@-`;

/**
 * A URL of the usual form, which the parser would leave as it is (WHATWG URL, 4.4): a name that ends in a
 * label of letters, so it is no address; no label that IDNA decodes; no port; no segment of the path that
 * begins like `.`, `..` or their percent-encoded forms. To parse one and to read its parts takes three times
 * as long. A test compares both ways.
 */
const USUAL = new RegExp(
  String.raw`^http(s?):\/\/((?:(?!xn--)[a-z0-9-]+\.)+[a-z]{2,})` +
    String.raw`(?:\/(?:[${KEPT}][.%${KEPT}]*)?)+(?:\?[.%/?${KEPT}]*)?(?:#[.%/?${KEPT}]*)?$`,
);

function judge(parts: Parts, { own, allowPrivateTargets, isBlockedHost }: TargetRules): TargetUrl {
  const name = nameOf(parts.hostname);
  if (isOwn(name, parts.port, own)) return refuse('points back at this service');
  if (!allowPrivateTargets && isPrivate(name)) return refuse('points at a private or reserved address');
  if (isBlockedHost?.(name) === true) return refuse('points at a blocked domain');
  const fault = whyNoHost(parts);
  return fault === undefined ? { ok: true, href: parts.href } : refuse(fault);
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

function isOwn(name: string, targetPort: string, own: readonly OwnAddress[]): boolean {
  const spelled = hostOf(name);
  for (const { host, port } of own)
    if (spelled === host && (port === undefined || targetPort === port)) return true;
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
