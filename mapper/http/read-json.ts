import type { IncomingMessage, ServerResponse } from 'node:http';
import { parseForm } from './form-text.ts';
import { MAX_BODY_BYTES } from './limits.ts';
import { Problem, invalidFields } from './problem.ts';

/**
 * A body that is too large is read and discarded up to this size. Otherwise the client may never read the
 * answer.
 */
const MAX_DISCARDED_BYTES = 1024 * 1024;

/**
 * Reads a request's body as one JSON object.
 * @throws Problem 415 not JSON, not declared as UTF-8, or compressed; 413 too large; 400 not well-formed; 422
 *   not an object, or a field given twice
 */
export async function readJsonObject(
  request: IncomingMessage,
  response: ServerResponse,
  maxBytes = MAX_BODY_BYTES,
): Promise<Readonly<Record<string, unknown>>> {
  refuseOtherTypes(request);
  return parseJsonObject(await readBody(request, response, maxBytes));
}

/**
 * Reads the body of a form, of type `application/x-www-form-urlencoded`.
 * @param maxBytes of the body
 * @throws Problem 413 too large, 400 not UTF-8, 422 a field given twice
 */
export async function readForm(
  request: IncomingMessage,
  response: ServerResponse,
  maxBytes = MAX_BODY_BYTES,
): Promise<Readonly<Record<string, string>>> {
  const fields = parseForm(await readBody(request, response, maxBytes));
  const repeated = [...fields.keys()].find((name) => fields.getAll(name).length > 1);
  if (repeated !== undefined) throw invalidFields([{ field: repeated, reason: 'is given more than once' }]);
  return Object.fromEntries(fields);
}

/** Whether a body is that of a form without files. @param contentType the header */
export function isForm(contentType: string): boolean {
  return /^application\/x-www-form-urlencoded(?:;|$)/i.test(contentType);
}

/**
 * Reads the fields of a form, in which a name may be given several times.
 * @throws Problem 413 too large, 415 compressed or not UTF-8, 400 not UTF-8
 */
export async function readFormFields(
  request: IncomingMessage,
  response: ServerResponse,
  maxBytes = MAX_BODY_BYTES,
): Promise<URLSearchParams> {
  refuseCoding(request);
  return parseForm(await readBody(request, response, maxBytes));
}

/** @throws Problem 400 not well-formed, 422 not an object or a field given twice */
export function parseJsonObject(body: Buffer): Readonly<Record<string, unknown>> {
  const text = decodeText(body);
  const value = parseObject(text);
  const repeated = findRepeatedName(text);
  if (repeated !== undefined) throw invalidFields([{ field: repeated, reason: 'is given more than once' }]);
  return value;
}

/**
 * The object of a text in which fields may be given twice.
 * @throws Problem 400 not well-formed, 422 no object
 */
export function parseObject(text: string): Readonly<Record<string, unknown>> {
  const value = parse(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Problem('invalid-request', {
      detail: 'The body must be a JSON object.',
      errors: [{ field: '', reason: 'must be a JSON object' }],
    });
  }
  return value as Record<string, unknown>;
}

function refuseOtherTypes(request: IncomingMessage): void {
  const [type = ''] = partsOf(request);
  if (!/^application\/(?:json|[\w.!#$&^-]+\+json)$/.test(type)) {
    throw new Problem('not-json');
  }
  refuseCoding(request);
}

/** Content type and its parameters. */
function partsOf({ headers }: IncomingMessage): string[] {
  return (headers['content-type'] ?? '').split(';').map((part) => part.trim().toLowerCase());
}

/** @throws Problem 415 for a body that is not declared as UTF-8, or is compressed */
export function refuseCoding(request: IncomingMessage): void {
  const { headers } = request;
  const [, ...parameters] = partsOf(request);
  const charset = parameters.find((parameter) => parameter.startsWith('charset='))?.slice('charset='.length);
  if (charset !== undefined && !/^"?utf-?8"?$/.test(charset)) {
    throw new Problem('not-utf8');
  }
  const encoding = headers['content-encoding']?.trim().toLowerCase() ?? 'identity';
  if (encoding !== 'identity') {
    throw new Problem('compressed');
  }
}

async function readBody(
  request: IncomingMessage,
  response: ServerResponse,
  maxBytes = MAX_BODY_BYTES,
): Promise<Buffer> {
  const tooLarge = (): Problem =>
    new Problem('too-large', { detail: `The body must not exceed ${maxBytes} bytes.` });
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) {
    discard(request);
    throw tooLarge();
  }
  // A request without the headers of a body has none; then the server does not emit `end` either.
  if (request.readableEnded) return Buffer.alloc(0);
  // The server leaves 100 Continue to us, so that a client does not send a body that we would refuse.
  // HTTP/1.0 does not have it (RFC 9110, 10.1.1).
  if (request.headers.expect !== undefined && request.httpVersion === '1.1') response.writeContinue();
  const chunks: Buffer[] = [];
  let bytes = 0;
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const onData = (chunk: Buffer): void => {
    bytes += chunk.length;
    if (bytes <= maxBytes) {
      chunks.push(chunk);
      return;
    }
    request.off('data', onData);
    discard(request);
    reject(tooLarge());
  };
  request.on('data', onData);
  request.once('end', () => resolve(Buffer.concat(chunks)));
  // The client is gone: its request is at fault, not we.
  request.once('error', (cause) => reject(new Problem('incomplete', { cause })));
  request.once('close', () => reject(new Problem('incomplete')));
  return promise;
}

function discard(request: IncomingMessage): void {
  let bytes = 0;
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > MAX_DISCARDED_BYTES) request.socket.destroySoon();
  });
}

/** @throws Problem 400 not UTF-8 */
export function decodeText(body: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch (cause) {
    throw new Problem('malformed-json', { detail: 'The body is not valid UTF-8.', cause });
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Problem('malformed-json', { cause });
  }
}

const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\]:,]/g;

/** An object or a list that has begun. */
interface Opened {
  /** The names that it has so far. Undefined: it is a list. */
  readonly names: Set<string> | undefined;
  /** The name, or the number, of the value that comes next. */
  at: string | number;
}

/**
 * Finds a name that an object of a JSON text contains twice. `JSON.parse` silently keeps the last value;
 * another program on the way may have checked the first.
 * @param text well-formed
 * @returns the way to it: `targets.0.when`
 */
function findRepeatedName(text: string): string | undefined {
  const opened: Opened[] = [];
  let last = '';
  for (const [token] of text.matchAll(TOKEN)) {
    const inner = opened.at(-1);
    if (token === '{') opened.push({ names: new Set(), at: '' });
    else if (token === '[') opened.push({ names: undefined, at: 0 });
    else if (token === '}' || token === ']') opened.pop();
    else if (token === ',' && typeof inner?.at === 'number') inner.at += 1;
    else if (token === ':' && inner?.names !== undefined) {
      inner.at = JSON.parse(last) as string;
      if (inner.names.has(inner.at)) return opened.map(({ at }) => at).join('.');
      inner.names.add(inner.at);
    }
    last = token;
  }
  return undefined;
}
