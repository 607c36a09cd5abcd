import ipaddr from 'ipaddr.js';

type Address = ipaddr.IPv4 | ipaddr.IPv6;
type Block = [Address, number];

/**
 * The IANA special-purpose registries (RFC 6890 and successors) as of 2026: every block that is not marked
 * "globally reachable", and those marked N/A (Teredo, 6to4, the 6to4 relays), because an embedded address
 * decides what they reach. ipaddr.js has most of them, but not all, and not by reachability. So the table is
 * ours; ipaddr.js parses and matches.
 */
const UNREACHABLE_V4 = blocks([
  '0.0.0.0/8', // this network
  '10.0.0.0/8', // private
  '100.64.0.0/10', // carrier-grade NAT
  '127.0.0.0/8', // loopback
  '169.254.0.0/16', // link-local, cloud metadata
  '172.16.0.0/12', // private
  '192.0.0.0/24', // IETF protocol assignments
  '192.0.2.0/24', // TEST-NET-1
  '192.88.99.0/24', // 6to4 relay anycast, deprecated
  '192.168.0.0/16', // private
  '198.18.0.0/15', // benchmarking
  '198.51.100.0/24', // TEST-NET-2
  '203.0.113.0/24', // TEST-NET-3
  '224.0.0.0/4', // multicast: no web server has such an address
  '240.0.0.0/4', // reserved, and limited broadcast
]);

/** Globally reachable parts of blocks that are not. */
const REACHABLE_V4 = blocks(['192.0.0.9/32', '192.0.0.10/32']);

/**
 * The unicast space that IANA has allocated. Every other address (loopback, v4-mapped, unique local,
 * link-local, multicast, …) is refused because it lies outside.
 */
const GLOBAL_UNICAST_V6 = blocks(['2000::/3']);

const UNREACHABLE_V6 = blocks([
  '2001::/23', // IETF protocol assignments, Teredo, benchmarking, ORCHID
  '2001:db8::/32', // documentation
  '2002::/16', // 6to4
  '3fff::/20', // documentation
]);

const REACHABLE_V6 = blocks([
  '2001:1::1/128', // port control protocol anycast
  '2001:1::2/128', // TURN anycast
  '2001:1::3/128', // DNS-SD service registration anycast
  '2001:3::/32', // AMT
  '2001:4:112::/48', // AS112
  '2001:20::/28', // ORCHIDv2
  '2001:30::/28', // drone remote id
]);

/** NAT64: reachable when the IPv4 address in its last four bytes is (RFC 6052). */
const NAT64 = blocks(['64:ff9b::/96']);

/** IPv6 blocks whose addresses contain an IPv4 address, by its first byte. */
const EMBEDDING: readonly (readonly [firstByte: number, list: readonly Block[]])[] = [
  // v4-mapped, v4-translated, v4-compatible, NAT64, and NAT64 of one network
  [12, blocks(['::ffff:0:0/96', '::ffff:0:0:0/96', '::/96', '64:ff9b::/96', '64:ff9b:1::/48'])],
  [2, blocks(['2002::/16'])], // 6to4
];

/**
 * Whether an IP literal may be the target of a link: it lies in no special-purpose block that is not globally
 * reachable.
 * @param host in the form of WHATWG `URL.hostname`: dotted IPv4 or bracketed IPv6
 * @returns undefined when `host` is a name, not an address
 */
export function isPublicAddress(host: string): boolean | undefined {
  const literal = host.startsWith('[') ? host.slice(1, -1) : host;
  if (!ipaddr.isValid(literal)) return undefined;
  const address = ipaddr.parse(literal);
  return isIPv4(address) ? isPublicV4(address) : isPublicV6(address);
}

/** Addresses under which a service on this machine answers. Linux takes 0.0.0.0 and :: for them too. */
const OWN_MACHINE_V4 = blocks(['127.0.0.0/8', '0.0.0.0/32']);
const OWN_MACHINE_V6 = blocks(['::1/128', '::/128']);

/**
 * One spelling for an IP literal, so that two of them can be compared: that of the IPv4 address which an IPv6
 * address contains, and `localhost` for every address of this machine. Leaves a name as it is.
 */
export function spellAddress(host: string): string {
  const literal = host.startsWith('[') ? host.slice(1, -1) : host;
  if (!ipaddr.isValid(literal)) return host;
  const given = ipaddr.parse(literal);
  if (!isIPv4(given) && within(given, OWN_MACHINE_V6)) return 'localhost';
  const address = isIPv4(given) ? given : (embeddedV4(given) ?? given);
  return isIPv4(address) && within(address, OWN_MACHINE_V4) ? 'localhost' : address.toString();
}

function embeddedV4(address: ipaddr.IPv6): ipaddr.IPv4 | undefined {
  const found = EMBEDDING.find(([, list]) => within(address, list));
  if (found === undefined) return undefined;
  const [first] = found;
  return new ipaddr.IPv4(address.toByteArray().slice(first, first + 4));
}

function isPublicV4(address: ipaddr.IPv4): boolean {
  return within(address, REACHABLE_V4) || !within(address, UNREACHABLE_V4);
}

function isPublicV6(address: ipaddr.IPv6): boolean {
  if (within(address, NAT64)) return isPublicV4(new ipaddr.IPv4(address.toByteArray().slice(12)));
  if (within(address, REACHABLE_V6)) return true;
  return within(address, GLOBAL_UNICAST_V6) && !within(address, UNREACHABLE_V6);
}

function within(address: Address, list: readonly Block[]): boolean {
  return list.some((block) => address.match(block));
}

function isIPv4(address: Address): address is ipaddr.IPv4 {
  return address.kind() === 'ipv4';
}

function blocks(cidrs: readonly string[]): readonly Block[] {
  return cidrs.map((cidr) => ipaddr.parseCIDR(cidr));
}
