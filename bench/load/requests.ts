/** The target of every link that a bench makes; all targets have the same length. */
export const TARGET = 'https://example.com/articles/aaaaaa/00000001?from=bench';

/** The body of a `POST /urls`. */
export const SHORTEN_BODY = JSON.stringify({ long_url: TARGET });

/**
 * The bytes of a request, one a character: a POST when there is a body.
 * @param headers further header fields of a GET, each with its line break
 */
export function formatRequest(url: string, path: string, body?: string, headers = ''): string {
  const { host } = new URL(url);
  if (body === undefined) return `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${headers}\r\n`;
  const head = `POST ${path} HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\n`;
  return `${head}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}
