import { connect } from 'node:net';

/** Sends one request and returns the bytes of its answer. The connection is cut then. */
export async function exchange(url: string, bytes: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket = connect({ host: hostname, port: Number(port) });
  let received = '';
  socket.on('data', (chunk) => {
    received += chunk.toString('latin1');
    if (isWhole(received)) socket.destroy();
  });
  socket.on('close', () => resolve(received));
  socket.on('error', reject);
  socket.write(bytes);
  return promise;
}

function isWhole(answer: string): boolean {
  const end = answer.indexOf('\r\n\r\n');
  if (end < 0) return false;
  const length = /^Content-Length: (\d+)/m.exec(answer)?.[1];
  return answer.length >= end + 4 + Number(length ?? 0);
}

/** `GET` of a link. @param headers lines after Host, each with its line break */
export function getOf(key: string, headers = ''): string {
  return `GET /${key} HTTP/1.1\r\nHost: x\r\n${headers}\r\n`;
}

/** `POST /urls`. @param headers lines after Host, each with its line break */
export function postOf(headers = '', body = '{"long_url":"https://example.com/"}'): string {
  return (
    `POST /urls HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n` +
    `Content-Length: ${body.length}\r\n${headers}\r\n${body}`
  );
}

export function forwardedFor(address: string): string {
  return `X-Forwarded-For: ${address}\r\n`;
}

/** Makes a request an unusual one for the front, and not for the fast paths behind Node's parser. */
export const THROUGH_NODE = 'Connection: keep-alive\r\n';

/** The status and the header fields of the limits in an answer. */
export function limitsIn(answer: string): {
  status: number;
  policy: string | undefined;
  remaining: number | undefined;
  retryAfter: number | undefined;
} {
  const field = (name: string): string | undefined => new RegExp(`^${name}: (.*)\r$`, 'm').exec(answer)?.[1];
  const retryAfter = field('Retry-After');
  const remaining = /;r=(\d+)/.exec(field('RateLimit') ?? '')?.[1];
  return {
    status: Number(answer.slice(9, 12)),
    policy: field('RateLimit-Policy'),
    remaining: remaining === undefined ? undefined : Number(remaining),
    retryAfter: retryAfter === undefined ? undefined : Number(retryAfter),
  };
}
