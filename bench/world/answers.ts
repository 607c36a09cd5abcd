import { monotonicMs } from '../../runtime/clock.ts';
import { KeymillError } from '../../runtime/errors.ts';
import { pause } from '../../runtime/retry.ts';
import { Connection, type Answer } from '../load/connection.ts';
import { formatRequest } from '../load/requests.ts';

/*
 * What a mapper answers, and what a bare server beside it must answer too: the same bytes, or a comparison of
 * the two says nothing.
 */

const SERVED_TIMEOUT_MS = 15_000;
/** Every server sets these itself. */
const SET_BY_SERVER = new Set(['date', 'connection', 'keep-alive', 'content-length']);
/** What the bare servers send without a `Keep-Alive` in the mapper's answer. */
const DEFAULT_KEEP_ALIVE_S = 5;

export async function askOnce(url: string, path: string, body?: string): Promise<Answer> {
  const connection = await Connection.open(url);
  try {
    return await connection.ask(formatRequest(url, path, body));
  } finally {
    connection.close();
  }
}

/**
 * Repeats the request while the mapper refuses, as it may just after a store was filled or resized.
 * @throws KeymillError when it still refuses after 15 s
 */
export async function askUntilServed(
  url: string,
  path: string,
  signal: AbortSignal,
  body?: string,
): Promise<Answer> {
  const deadlineMs = monotonicMs() + SERVED_TIMEOUT_MS;
  for (;;) {
    const answer = await askOnce(url, path, body);
    if (answer.status < 400) return answer;
    if (monotonicMs() > deadlineMs)
      throw new KeymillError('BENCH_FAILED', `the mapper does not serve ${path}:\n${answer.raw}`);
    await pause(100, signal);
  }
}

/** The headers, as they were sent, without those that every server sets itself. Pure. */
export function headersOf({ raw }: Answer): (readonly [name: string, value: string])[] {
  return linesOf(raw)
    .slice(1)
    .map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon), line.slice(colon + 1).trim()] as const;
    })
    .filter(([name]) => !SET_BY_SERVER.has(name.toLowerCase()));
}

/** How long the server keeps an idle connection, by its `Keep-Alive`. Pure. */
export function keepAliveSecondsOf({ raw }: Answer): number {
  return Number(/\r\nkeep-alive: timeout=(\d+)/i.exec(raw)?.[1] ?? DEFAULT_KEEP_ALIVE_S);
}

/**
 * Two answers of the same shape have the same bytes, but for the values of the date, the request id and the
 * location, whose lengths must be the same. The headers are sorted, because the place of a header costs
 * nothing. Pure.
 */
export function shapeOf({ raw, body }: Answer): readonly string[] {
  const [statusLine = '', ...headers] = linesOf(raw);
  const shapes = headers.map((line) =>
    line.replace(
      /^(date|x-request-id|location): (.*)$/i,
      (_, name, value) => `${name}: ${String(value).length} characters`,
    ),
  );
  return [statusLine, ...shapes.sort(), `a body of ${body.length} bytes`];
}

/** @throws KeymillError with both answers when their shapes differ */
export function compareShapes(what: string, ours: Answer, bare: Answer, shape = shapeOf): void {
  if (shape(ours).join('\n') === shape(bare).join('\n')) return;
  throw new KeymillError(
    'BENCH_FAILED',
    `${what} does not answer with the same bytes:\n${ours.raw}\n---\n${bare.raw}`,
  );
}

function linesOf(raw: string): string[] {
  return raw.slice(0, raw.indexOf('\r\n\r\n')).split('\r\n');
}
