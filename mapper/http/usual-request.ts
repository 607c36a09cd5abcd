import { MAX_BODY_BYTES } from './limits.ts';

/** A request of the usual form, whole in its chunk. */
export interface UsualRequest {
  readonly method: 'GET' | 'HEAD' | 'POST';
  /** Without the query. May be a view of the whole chunk, so only a copy of it may be stored. */
  readonly path: string;
  /** The value of `Authorization`, of a POST that has one. */
  readonly authorization?: string | undefined;
  /** Where its body begins in the chunk. It ends with the request. */
  readonly bodyStart: number;
  /** Where the next request begins in the chunk. */
  readonly end: number;
  /** `X-Forwarded-For`, where it was looked for (`findForwardedRequest`). */
  readonly forwardedFor?: string | undefined;
}

/** Longer heads are left to Node, which knows the limits: it refuses 1,000 lines, at least 6,000 bytes. */
const MAX_HEAD_BYTES = 4 * 1024;
const END_OF_HEAD = '\r\n\r\n';

/**
 * Header fields that decide how a request is framed, routed or answered. Each has its own place in an
 * expression below, or makes the request an unusual one.
 *
 * - RFC 9112, 6 and 9.3: where a body ends, and whether the connection stays open. Node also obeys
 *   Proxy-Connection, and reads Keep-Alive.
 * - RFC 9110, 7.8, 10.1.1, 10.1.4, 6.5.1, 8.4: another protocol, an expectation, trailers, compression.
 * - A request for somebody who is known, with an id, or of a browser that only looks ahead.
 * - X-Forwarded-For says whose request it is. It is looked for where a trusted proxy sends it.
 */
const WITH_MEANING = [
  'connection|proxy-connection|keep-alive|content-length|transfer-encoding|host',
  'upgrade|expect|te|trailer|content-encoding',
  'authorization|cookie|x-request-id|purpose|sec-purpose|x-moz',
].join('|');

/** RFC 9112, 5 and RFC 9110, 5.5: one space, no space at the end, nothing that is not printable ASCII. */
const VALUE = '[!-~](?:[ -~]*[!-~])?';
/** A line that is passed over. */
const line = (meanings: string): string => `(?!(?:${meanings}):)[a-z-]+: ${VALUE}\\r\\n`;
/** RFC 9112, 3.2, of the usual form of `./host.ts`. */
const HOST = String.raw`host: [\w.-]+(?::\d+)?\r\n`;
/** RFC 9112, 6.3: digits only, no list. No zero before others, no empty body. */
const LENGTH = String.raw`content-length: ([1-9]\d{0,4})\r\n`;
const TYPE = String.raw`(?:content-type: (?-i:application/json)\r\n)`;
/** RFC 9112, 3.2.1: origin-form. A fragment is none of it. */
const PATH = String.raw`(/[\w-]{1,64})`;
const QUERY = String.raw`(?:\?[!"$-~]*)?`;
/** RFC 6750, 2.1, of the usual form: one space, and no character that a key of ours cannot have. */
const KEY = String.raw`authorization: ((?-i:Bearer [\w-]{1,128}))\r\n`;

/** As most clients write it, so that the expression for such a request is tried first. */
const BEARER = 'Authorization: Bearer ';

/** Several lines once each, in any order: so many in all, and every one of them found. */
const found = (header: string): string => `(?=(?:${line('')})*?${header})`;
/** The same line without its groups, which `found` has already. */
const ungrouped = (header: string): string => header.replaceAll(/\((?!\?)/g, '(?:');

const [GET, HEAD] = ['GET', 'HEAD'] as const;
const [SPACE, QUESTION_MARK] = [0x20, 0x3f] as const;

/** The path that begins here, in a request line of the usual form. */
function pathAt(text: string, from: number): string {
  let end = from + 1;
  for (let code = text.charCodeAt(end); code !== SPACE && code !== QUESTION_MARK; end += 1)
    code = text.charCodeAt(end + 1);
  return text.slice(from, end);
}

export type Find = (text: string, start: number) => UsualRequest | undefined;

/** @param meanings header fields that make a request an unusual one, unless they have a place of their own */
function createFinder(meanings: string): Find {
  const passed = line(meanings);
  // Exactly one Host.
  const followForm = new RegExp(
    String.raw`(?:GET|HEAD) ${PATH}${QUERY} HTTP/1\.1\r\n(?i:(?:${passed})*${HOST}(?:${passed})*)\r\n`,
    'y',
  );
  // Of requests with a body, Content-Type has a meaning too, and so have Origin (CORS) and Idempotency-Key.
  const besideBody = line(`${meanings}|content-type|origin|idempotency-key`);
  const postForm = (parts: readonly string[]): RegExp =>
    new RegExp(
      String.raw`POST ${PATH} HTTP/1\.1\r\n(?i:${parts.map(found).join('')}` +
        String.raw`(?:(?:${besideBody})*(?:${parts.map(ungrouped).join('|')})){${parts.length}}(?:${besideBody})*)\r\n`,
      'y',
    );
  const anonymousForm = postForm([HOST, TYPE, LENGTH]);
  const keyedForm = postForm([HOST, TYPE, LENGTH, KEY]);
  return (text, start) => {
    const endOfHead = text.indexOf(END_OF_HEAD, start);
    if (endOfHead < 0 || endOfHead - start > MAX_HEAD_BYTES) return undefined;
    const bodyStart = endOfHead + END_OF_HEAD.length;
    followForm.lastIndex = start;
    // `exec` would make a text of each part. The path is all that is needed of them.
    if (followForm.test(text)) {
      const method = text.charCodeAt(start) === GET.charCodeAt(0) ? GET : HEAD;
      return { method, path: pathAt(text, start + method.length + 1), bodyStart, end: bodyStart };
    }
    anonymousForm.lastIndex = start;
    keyedForm.lastIndex = start;
    // Of a longer chunk, `indexOf` would read all for each of its requests.
    const seemsKeyed = text.length - start <= MAX_HEAD_BYTES && text.includes(BEARER, start);
    const post = seemsKeyed
      ? (keyedForm.exec(text) ?? anonymousForm.exec(text))
      : (anonymousForm.exec(text) ?? keyedForm.exec(text));
    if (post === null) return undefined;
    const [, path, length, authorization] = post;
    const end = bodyStart + Number(length);
    if (end > text.length || end - bodyStart > MAX_BODY_BYTES) return undefined;
    return { method: 'POST', path: path as string, authorization, bodyStart, end };
  };
}

/**
 * Finds a request of the usual form that begins at `start` and is whole: GET or HEAD without a body, or POST
 * of JSON with a length, with or without a key. Undefined: anything else, which only a parser may judge. It
 * never guesses and never repairs: what it finds, every parser finds in the same way.
 * @param text the bytes of the chunk, one character each
 */
export const findUsualRequest: Find = createFinder(`${WITH_MEANING}|x-forwarded-for`);

/** The same, whatever `X-Forwarded-For` says: where nobody has limits. */
export const findUnlimitedRequest: Find = createFinder(WITH_MEANING);
