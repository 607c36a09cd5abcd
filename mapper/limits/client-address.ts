import { BlockList, isIP, SocketAddress } from 'node:net';
import { flat } from '../../runtime/flat-text.ts';

/** Networks in the form `10.0.0.0/8` or `2001:db8::/32`, or single addresses. */
export class Networks {
  readonly #list = new BlockList();
  readonly isEmpty: boolean;

  /** @throws RangeError for a text that is no network */
  constructor(networks: readonly string[]) {
    this.isEmpty = networks.length === 0;
    for (const network of networks) {
      const [address = '', length, ...more] = network.split('/');
      const family = isIP(address);
      if (family === 0 || more.length > 0 || (length !== undefined && !/^\d{1,3}$/.test(length)))
        throw new RangeError(`${network} is no network`);
      const bits = length === undefined ? (family === 4 ? 32 : 128) : Number(length);
      this.#list.addSubnet(address, bits, family === 4 ? 'ipv4' : 'ipv6');
    }
  }

  /** @param address in the form of {@link parseAddress} */
  has(address: string): boolean {
    return !this.isEmpty && this.#list.check(address, address.includes(':') ? 'ipv6' : 'ipv4');
  }
}

export interface ClientRules {
  /** Proxies whose `X-Forwarded-For` is believed. */
  readonly trusted: Networks;
  /** Whether clients on this machine have limits too. */
  readonly limitsLoopback: boolean;
}

/** More proxies than this in a row are no chain that anybody has built. */
const MAX_HOPS = 32;

/**
 * The client for whom a request counts: the peer, or behind trusted proxies the rightmost entry of
 * `X-Forwarded-For` that is no trusted proxy. Each proxy adds the address of its own peer at the right, and
 * everything left of an untrusted entry may be made up.
 *
 * A peer on this machine has no limits, unless it forwards the requests of others.
 * @param forwardedFor the header; several are joined with commas
 * @returns an IPv4 address, or an IPv6 network of 64 bits, which is what one client has; undefined: no limits
 */
export function findClient(
  peer: string | undefined,
  forwardedFor: string | undefined,
  { trusted, limitsLoopback }: ClientRules,
): string | undefined {
  const address = peer === undefined ? undefined : parseAddress(peer);
  if (address === undefined) return undefined;
  if (forwardedFor === undefined) {
    if (isLoopback(address) && !limitsLoopback) return undefined;
    return clientNameOf(address);
  }
  return clientNameOf(trusted.has(address) ? lastUntrusted(address, forwardedFor, trusted) : address);
}

/** @returns the proxy that was believed last, when an entry is malformed or all are trusted */
function lastUntrusted(proxy: string, list: string, trusted: Networks): string {
  let address = proxy;
  let end = list.length;
  for (let hops = 0; hops < MAX_HOPS && end >= 0; hops += 1) {
    const comma = end === 0 ? -1 : list.lastIndexOf(',', end - 1);
    const entry = parseAddress(withoutPort(list.slice(comma + 1, end).trim()));
    if (entry === undefined) return address;
    address = entry;
    if (!trusted.has(address)) return address;
    end = comma;
  }
  return address;
}

/** Some proxies write `192.0.2.1:4711` or `[2001:db8::1]:4711`. */
function withoutPort(entry: string): string {
  const bracketed = /^\[([^\]]*)\](?::\d+)?$/.exec(entry);
  if (bracketed !== null) return bracketed[1] ?? '';
  return /^[\d.]+:\d+$/.test(entry) ? entry.slice(0, entry.indexOf(':')) : entry;
}

/** In one spelling: an IPv4 address also when it is mapped into IPv6. Undefined: not an address. */
export function parseAddress(text: string): string | undefined {
  const address = text.includes('%') ? text.slice(0, text.indexOf('%')) : text;
  const family = isIP(address);
  if (family === 0) return undefined;
  if (family === 4) return address;
  const spelled = new SocketAddress({ address, family: 'ipv6' }).address;
  return spelled.startsWith('::ffff:') && spelled.includes('.') ? spelled.slice('::ffff:'.length) : spelled;
}

function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.');
}

function clientNameOf(address: string): string {
  // A copy: it is remembered for longer than the header of which it may be a view.
  if (!address.includes(':')) return flat(address);
  const [before = [], after = []] = address.split('::').map(groupsOf);
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0');
  return `${[...before, ...zeros, ...after].slice(0, 4).join(':')}::/64`;
}

function groupsOf(text: string): string[] {
  return text === '' ? [] : text.split(':');
}
