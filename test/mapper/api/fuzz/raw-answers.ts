import type { IncomingHttpHeaders } from 'node:http';
import type { Answer } from '../../client.ts';

/** A header whose value could not have been made of several lines. */
const HEADER = /^([\w!#$%&'*+.^`|~-]+): ([\x20-\x7e]*)$/;

/**
 * Reads the answers of one connection, without those of 1xx.
 * @param text latin1
 * @param isReset whether the end may be missing: the connection was reset
 * @param methods of the requests, in their order: an answer to HEAD has no body
 * @throws Error for what is no HTTP, or has a header that no server of ours writes on purpose
 */
export function parseAnswers(text: string, methods: readonly string[], isReset = false): Answer[] {
  const answers: Answer[] = [];
  for (let rest = text; rest !== '';) {
    const headEnd = rest.indexOf('\r\n\r\n');
    const [first = '', ...lines] = rest.slice(0, headEnd).split('\r\n');
    const status = Number(/^HTTP\/1\.1 (\d{3}) [\w -]+$/.exec(first)?.[1]);
    if (headEnd < 0 || Number.isNaN(status))
      throw new Error(`no HTTP: ${JSON.stringify(rest.slice(0, 500))}`);
    const headers = parseHeaders(lines);
    const isBodiless = status < 200 || status === 204 || status === 304 || methods[answers.length] === 'HEAD';
    const bodyAt = headEnd + 4;
    const [content, bodyEnd] = isBodiless ? ['', bodyAt] : readBody(rest, bodyAt, headers);
    if (bodyEnd > rest.length) {
      if (isReset) break;
      throw new Error(
        `the answer is cut off after ${rest.length - bodyAt} bytes: ${JSON.stringify(headers)}`,
      );
    }
    const body = Buffer.from(content, 'latin1').toString();
    if (status >= 200)
      answers.push({ status, headers, text: body, json: () => JSON.parse(body) as Record<string, unknown> });
    rest = rest.slice(bodyEnd);
  }
  return answers;
}

/**
 * A body, and where it ends: behind the text, if it is cut off. One without a length ends with the
 * connection.
 */
function readBody(text: string, at: number, headers: IncomingHttpHeaders): [body: string, end: number] {
  if (headers['transfer-encoding'] === 'chunked') return readChunks(text, at);
  const length = headers['content-length'];
  const end = length === undefined ? text.length : at + Number(length);
  return [text.slice(at, end), end];
}

/** RFC 9112, 7.1, without extensions and trailers, which no answer of ours has. */
function readChunks(text: string, from: number): [body: string, end: number] {
  let body = '';
  for (let at = from; ;) {
    const lineEnd = text.indexOf('\r\n', at);
    const line = text.slice(at, Math.max(at, lineEnd));
    if (lineEnd < 0) return [body, text.length + 1];
    if (!/^[\da-f]+$/i.test(line)) throw new Error(`no length of a chunk: ${JSON.stringify(line)}`);
    const start = lineEnd + 2;
    const end = start + Number.parseInt(line, 16);
    if (end + 2 > text.length) return [body, text.length + 1];
    if (text.slice(end, end + 2) !== '\r\n') throw new Error('a chunk without its end');
    if (end === start) return [body, end + 2];
    body += text.slice(start, end);
    at = end + 2;
  }
}

function parseHeaders(lines: readonly string[]): IncomingHttpHeaders {
  const headers: Record<string, string> = {};
  const cookies: string[] = [];
  for (const line of lines) {
    const [, name = '', value = ''] = HEADER.exec(line) ?? [];
    if (name === '') throw new Error(`an odd header in an answer: ${JSON.stringify(line)}`);
    const lower = name.toLowerCase();
    if (lower === 'set-cookie') cookies.push(value);
    else if (lower in headers) throw new Error(`${name} is twice in an answer`);
    else headers[lower] = value;
  }
  return { ...headers, ...(cookies.length > 0 && { 'set-cookie': cookies }) };
}
