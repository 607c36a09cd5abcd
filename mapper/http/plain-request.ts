import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';

/**
 * Entries of `rawHeaders`, two for each header. Koa answers a request with more: we do not scan it a second
 * time.
 */
const MAX_RAW_HEADERS = 128;

/** A name or an IPv4 address. The whole rule takes 0.2 µs longer, 2 % of a redirect. */
const USUAL_HOST = /^[\w.-]+(?::\d+)?$/;

/**
 * Whether a request is ordinary: HTTP/1.1, exactly one Host of the usual form, no Expect, no chunks, no
 * compression. Koa answers all others. (Node has already built `headers` when we see a request, so reading it
 * costs nothing.)
 */
export function isPlain(request: IncomingMessage, headers: IncomingHttpHeaders): boolean {
  return (
    request.httpVersionMinor === 1 &&
    request.httpVersionMajor === 1 &&
    headers.expect === undefined &&
    headers['transfer-encoding'] === undefined &&
    headers['content-encoding'] === undefined &&
    hasOneHost(request.rawHeaders) &&
    USUAL_HOST.test(headers.host ?? '')
  );
}

/**
 * RFC 3986, 3.2.2 and 3.2.3, without the empty name, which no URL of the scheme http has (RFC 9110, 4.2.1).
 */
const NAME = /^(?:[\w.~!$&'()*+,;=-]|%[\da-f]{2})+(?::\d*)?$/i;
const ADDRESS = /^\[(?:[\da-f:.]+|v[\da-f]+\.[\w.~!$&'()*+,;=:-]+)\](?::\d*)?$/i;

/** Whether `value` is a name or an address, with or without a port. */
export function isHost(value: string): boolean {
  return NAME.test(value) || ADDRESS.test(value);
}

/** Counts in the raw headers, because `headers` keeps only the first of several. */
function hasOneHost(raw: readonly string[]): boolean {
  if (raw.length > MAX_RAW_HEADERS) return false;
  let hosts = 0;
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string;
    if (name.length === 4 && name.toLowerCase() === 'host') hosts += 1;
  }
  return hosts === 1;
}
