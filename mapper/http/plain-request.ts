import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { isUsualHost } from './host.ts';

/**
 * Entries of `rawHeaders`, two for each header. Koa answers a request with more: we do not scan it a second
 * time.
 */
const MAX_RAW_HEADERS = 128;

/**
 * Whether a request is ordinary: HTTP/1.1, exactly one Host of the usual form, no Expect, no chunks, no
 * compression, no sender who wants to be recognised (Authorization, Cookie), no purpose such as prefetch. Koa
 * answers all others. (Node has already built `headers` when we see a request, so reading it costs nothing.)
 */
export function isPlain(request: IncomingMessage, headers: IncomingHttpHeaders): boolean {
  return (
    request.httpVersionMinor === 1 &&
    request.httpVersionMajor === 1 &&
    headers.expect === undefined &&
    headers['transfer-encoding'] === undefined &&
    headers['content-encoding'] === undefined &&
    headers.authorization === undefined &&
    headers.cookie === undefined &&
    isUsualHost(headers.host ?? '') &&
    hasPlainNames(request.rawHeaders)
  );
}

/** The headers in which browsers state a purpose, and the lengths of these names. */
const PURPOSE = /^(?:sec-purpose|purpose|x-moz)$/i;
const isPurposeLength = (length: number): boolean => length === 7 || length === 11 || length === 5;

/**
 * Whether there is one Host, and no header that states a purpose. Reads the raw headers, because `headers`
 * keeps only the first of several. One pass over the names costs less than further look-ups in `headers`.
 */
function hasPlainNames(raw: readonly string[]): boolean {
  if (raw.length > MAX_RAW_HEADERS) return false;
  let hosts = 0;
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string;
    if (name.length === 4 && name.toLowerCase() === 'host') hosts += 1;
    else if (isPurposeLength(name.length) && PURPOSE.test(name)) return false;
  }
  return hosts === 1;
}
