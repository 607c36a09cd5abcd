import type { IncomingMessage } from 'node:http';

type Framed = Pick<IncomingMessage, 'httpVersion' | 'headers'>;

/** Whether we know the rules of its version. */
export function isKnownVersion({ httpVersion }: Pick<Framed, 'httpVersion'>): boolean {
  return httpVersion === '1.1' || httpVersion === '1.0';
}

/** Whether we can read the body as it was encoded for the way. */
export function isKnownCoding({ headers }: Pick<Framed, 'headers'>): boolean {
  const coding = headers['transfer-encoding'];
  return coding === undefined || coding.toLowerCase() === 'chunked';
}

/**
 * Whether we find the end of a request where every other program on the way finds it (RFC 9112, 2.3, 6.1).
 * HTTP/1.0 had no chunks, so a program of that time takes them for something else.
 */
export function isSurelyFramed(request: Framed): boolean {
  const { httpVersion, headers } = request;
  const hasCoding = headers['transfer-encoding'] !== undefined;
  return isKnownVersion(request) && isKnownCoding(request) && (!hasCoding || httpVersion === '1.1');
}
