import { join } from 'node:path';
import { z } from 'zod';
import { monotonicMs } from '../../runtime/clock.ts';
import { KeymillError } from '../../runtime/errors.ts';
import { parseJsonAs } from '../../runtime/json-schema.ts';
import { pause } from '../../runtime/retry.ts';
import { Child } from '../load/child.ts';
import { Connection, type Answer } from '../load/connection.ts';
import { formatRequest, SHORTEN_BODY } from '../load/requests.ts';
import type { BareAnswers } from './bare-http-main.ts';

/** A server that only answers, in a process of its own. */
export interface BareHttp extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
}

const START_TIMEOUT_MS = 60_000;
const SERVED_TIMEOUT_MS = 15_000;
/** Node sets these itself, for every server alike. */
const SET_BY_NODE = new Set(['date', 'connection', 'keep-alive', 'content-length']);

/**
 * Asks the mapper for two answers and starts a bare `node:http` server that gives the same header bytes: a
 * GET gets a 302 with the same location; for a POST the JSON is parsed, and a 201 with the same fields is
 * sent.
 *
 * @param path of a link on the mapper
 * @throws KeymillError when its answers differ from the mapper's in more than date and request id
 */
export async function startBareHttp(mapperUrl: string, path: string, signal: AbortSignal): Promise<BareHttp> {
  const redirect = await askUntilServed(mapperUrl, path, signal);
  const shorten = await askUntilServed(mapperUrl, '/urls', signal, SHORTEN_BODY);
  const child = new Child('bare node:http', join(import.meta.dirname, 'bare-http-main.ts'), signal);
  try {
    const answers: BareAnswers = {
      redirect: headersOf(redirect),
      hasLength: /\r\ncontent-length:/i.test(redirect.raw),
      shorten: headersOf(shorten),
      shortenBody: parseJsonAs(z.record(z.string(), z.unknown()), shorten.body),
      keepAliveTimeoutMs: Number(/\r\nkeep-alive: timeout=(\d+)/i.exec(redirect.raw)?.[1] ?? 5) * 1_000,
    };
    const { port } = await child.ask<{ port: number }>(answers, START_TIMEOUT_MS);
    const url = `http://127.0.0.1:${port}`;
    compare('GET', redirect, await askOnce(url, path));
    compare('POST', shorten, await askOnce(url, '/urls', SHORTEN_BODY));
    return { url, pid: child.pid, [Symbol.asyncDispose]: async () => child[Symbol.asyncDispose]() };
  } catch (error) {
    await child[Symbol.asyncDispose]();
    throw error;
  }
}

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
async function askUntilServed(
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

/** Names and values in turn, as they were sent. */
function headersOf({ raw }: Answer): string[] {
  const lines = raw.slice(0, raw.indexOf('\r\n\r\n')).split('\r\n').slice(1);
  return lines.flatMap((line) => {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon);
    return SET_BY_NODE.has(name.toLowerCase()) ? [] : [name, line.slice(colon + 1).trim()];
  });
}

function compare(what: string, ours: Answer, bare: Answer): void {
  // Sorted, because the place of a header costs nothing.
  const shapeOf = ({ raw, status, body }: Answer): string =>
    JSON.stringify([
      status,
      body.length,
      raw
        .slice(0, raw.length - body.length)
        .split('\r\n')
        .map((line) =>
          line.replace(
            /^(date|x-request-id|location): (.*)$/i,
            (_, name, value) => `${name}:${String(value).length}`,
          ),
        )
        .sort(),
    ]);
  if (shapeOf(ours) === shapeOf(bare)) return;
  throw new KeymillError(
    'BENCH_FAILED',
    `the bare server does not answer ${what} with the same bytes:\n${ours.raw}\n---\n${bare.raw}`,
  );
}
