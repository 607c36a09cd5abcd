import { Connection, type Answer } from '../../../bench/load/connection.ts';
import type { World } from '../world.ts';

/** How a request for a link differs from others. */
export interface Sending {
  readonly body: object;
  /** An API key. */
  readonly key?: string | undefined;
  readonly idempotencyKey?: string | undefined;
}

/** The bytes of a `POST /urls`, one a character. */
export function formatShorten({ body, key, idempotencyKey }: Sending): string {
  const text = JSON.stringify(body);
  const lines = [
    'POST /urls HTTP/1.1',
    'Host: go.example',
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(text)}`,
    ...(key === undefined ? [] : [`Authorization: Bearer ${key}`]),
    ...(idempotencyKey === undefined ? [] : [`Idempotency-Key: ${idempotencyKey}`]),
  ];
  return `${lines.join('\r\n')}\r\n\r\n${text}`;
}

/** Connections to several mappers, each with `count`. Both processes of a mapper get some of them. */
export async function connectAll(urls: readonly string[], count: number): Promise<Connection[]> {
  return Promise.all(urls.flatMap((url) => Array.from({ length: count }, async () => Connection.open(url))));
}

/** How often each status came. */
export function statusesOf(answers: readonly Answer[]): Record<number, number> {
  const counts: Record<number, number> = {};
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

/** The answer without what differs from request to request. */
export function withoutIds({ raw }: Answer): string {
  return raw.replaceAll(/\r\n(?:x-request-id|idempotency-replayed|date|connection|keep-alive): [^\r]*/gi, '');
}

export function isReplayed({ raw }: Answer): boolean {
  return raw.includes('\r\nIdempotency-Replayed: true\r\n');
}

/** The keys of all links to a target, deleted ones too. */
export async function keysOf({ urls }: Pick<World, 'urls'>, target: string): Promise<string[]> {
  const found = await Promise.all(
    urls.map(async ({ sql }) =>
      sql.query('SELECT unique_id FROM urls WHERE COALESCE(original_url, ruled_url) = ?', [target]),
    ),
  );
  return found.flatMap(([rows]) => (rows as { unique_id: string }[]).map(({ unique_id }) => unique_id));
}
