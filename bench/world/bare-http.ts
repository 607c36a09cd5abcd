import { join } from 'node:path';
import { z } from 'zod';
import { parseJsonAs } from '../../runtime/json-schema.ts';
import { Child } from '../load/child.ts';
import { SHORTEN_BODY } from '../load/requests.ts';
import { askOnce, askUntilServed, compareShapes, headersOf, keepAliveSecondsOf } from './answers.ts';
import type { BareAnswers } from './bare-http-main.ts';

/** A server that only answers, in a process of its own. */
export interface BareHttp extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
}

const START_TIMEOUT_MS = 60_000;

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
      redirect: headersOf(redirect).flat(),
      hasLength: /\r\ncontent-length:/i.test(redirect.raw),
      shorten: headersOf(shorten).flat(),
      shortenBody: parseJsonAs(z.record(z.string(), z.unknown()), shorten.body),
      keepAliveTimeoutMs: keepAliveSecondsOf(redirect) * 1_000,
    };
    const { port } = await child.ask<{ port: number }>(answers, START_TIMEOUT_MS);
    const url = `http://127.0.0.1:${port}`;
    compareShapes('bare node:http', redirect, await askOnce(url, path));
    compareShapes('bare node:http', shorten, await askOnce(url, '/urls', SHORTEN_BODY));
    return { url, pid: child.pid, [Symbol.asyncDispose]: async () => child[Symbol.asyncDispose]() };
  } catch (error) {
    await child[Symbol.asyncDispose]();
    throw error;
  }
}
