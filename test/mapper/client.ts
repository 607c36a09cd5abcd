import { request, type IncomingHttpHeaders } from 'node:http';
import { connect } from 'node:net';
import { expect } from 'chai';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The body as JSON. */
  json(): Record<string, unknown>;
}

/** Shorter than the timeouts of the tests, whose message would not name the request. */
const ANSWER_MS = 45_000;

/** Sends one HTTP request as it is given: adds no header, keeps no connection, follows no redirect. */
export async function send(
  method: string,
  url: string,
  {
    headers = {},
    body,
  }: { headers?: Readonly<Record<string, string | string[]>>; body?: string | Buffer } = {},
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const { origin } = new URL(url);
  const { hostname, port } = new URL(url);
  const outgoing = request({ method, hostname, port, path: url.slice(origin.length), headers, agent: false });
  outgoing.on('response', (response) => {
    const chunks: Buffer[] = [];
    response.on('data', (chunk: Buffer) => chunks.push(chunk));
    response.on('end', () => {
      const text = Buffer.concat(chunks).toString();
      const { statusCode: status = 0, headers } = response;
      resolve({ status, headers, text, json: () => JSON.parse(text) as Record<string, unknown> });
    });
    response.on('error', reject);
  });
  outgoing.on('error', reject);
  const timer = setTimeout(() => {
    outgoing.destroy(new Error(`no answer to ${method} ${url} within ${ANSWER_MS} ms`));
  }, ANSWER_MS);
  outgoing.end(body);
  return promise.finally(() => clearTimeout(timer));
}

/** `POST /urls` with a JSON body. */
export async function shorten(
  base: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  return send('POST', `${base}/urls`, {
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
}

/**
 * Sends bytes to a port. Returns all that arrives until the other side closes, or until `untilText` has
 * arrived.
 */
export async function sendRaw(url: string, bytes: string | Buffer, untilText?: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket = connect({ host: hostname, port: Number(port) });
  let received = '';
  socket.on('data', (chunk) => {
    received += chunk.toString();
    if (untilText !== undefined && received.includes(untilText)) socket.destroy();
  });
  socket.on('close', () => resolve(received));
  socket.on('error', reject);
  socket.write(bytes);
  return promise;
}

/** Asserts that the answer is a problem document with this status, and returns its `errors`. */
export function expectProblem(answer: Answer, status: number): { field: string; reason: string }[] {
  expect(answer.status, answer.text).to.equal(status);
  expect(answer.headers['content-type']).to.equal('application/problem+json');
  const problem = answer.json();
  expect(problem).to.include.all.keys('type', 'title', 'status', 'detail');
  expect(problem['status']).to.equal(status);
  expect(problem['type']).to.match(/^urn:keymill:problem:[a-z0-9-]+$/);
  return (problem['errors'] ?? []) as { field: string; reason: string }[];
}
