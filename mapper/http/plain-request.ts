import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';

/** More header lines than any client of ours sends are not gone through twice. */
const MAX_RAW_HEADERS = 128;

/**
 * Whether a request asks for nothing unusual of HTTP itself: HTTP/1.1, exactly one Host, nothing expected, no chunks, no compression.
 * All others are left to the app. (Node has made `headers` of every HTTP/1.1 request before we see it: to look there costs nothing.)
 */
export function isPlain(request: IncomingMessage, headers: IncomingHttpHeaders): boolean {
  return (
    request.httpVersionMinor === 1 &&
    request.httpVersionMajor === 1 &&
    headers.expect === undefined &&
    headers['transfer-encoding'] === undefined &&
    headers['content-encoding'] === undefined &&
    hasOneHost(request.rawHeaders)
  );
}

/** `headers` keeps only the first of several. */
function hasOneHost(raw: readonly string[]): boolean {
  if (raw.length > MAX_RAW_HEADERS) return false;
  let hosts = 0;
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string;
    if (name.length === 4 && name.toLowerCase() === 'host') hosts += 1;
  }
  return hosts === 1;
}
