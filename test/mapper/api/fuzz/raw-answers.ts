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
    const bodyEnd = isBodiless ? bodyAt : bodyAt + Number(headers['content-length'] ?? rest.length);
    if (bodyEnd > rest.length && headers['content-length'] !== undefined) {
      if (isReset) break;
      throw new Error(`the answer is cut off: ${rest.length - bodyAt} of ${headers['content-length']} bytes`);
    }
    const body = Buffer.from(rest.slice(bodyAt, bodyEnd), 'latin1').toString();
    if (status >= 200)
      answers.push({ status, headers, text: body, json: () => JSON.parse(body) as Record<string, unknown> });
    rest = rest.slice(bodyEnd);
  }
  return answers;
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
