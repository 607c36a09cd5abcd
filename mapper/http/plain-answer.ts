import type { ServerResponse } from 'node:http';
import type { Log } from '../../runtime/log.ts';
import { PROBLEM_TYPE, problemOf, type Problem } from './problem.ts';

/** An answer built in advance. Only the request id varies. */
export interface PreparedAnswer {
  readonly status: number;
  /** Names and values in turn, `X-Request-Id` first. */
  readonly headers: string[];
  readonly body: string;
}

/** A problem with the same headers, in the same order, as Koa sends them. */
export function prepareProblem(problem: Problem): PreparedAnswer {
  const body = JSON.stringify(problem);
  const length = String(Buffer.byteLength(body));
  const headers = ['X-Request-Id', '', ...Object.entries(problem.headers).flat()];
  headers.push('Content-Type', PROBLEM_TYPE, 'Content-Length', length);
  return { status: problem.status, headers, body };
}

/** The response keeps no reference to `prepared`, so one object serves all requests. */
export function answer(response: ServerResponse, prepared: PreparedAnswer, requestId: string): void {
  prepared.headers[1] = requestId;
  response.writeHead(prepared.status, prepared.headers);
  if (response.req.method === 'HEAD') response.end();
  else response.end(prepared.body);
}

/** Answers with the problem that `error` stands for. Logs an error that is our fault. */
export function answerError(response: ServerResponse, error: unknown, requestId: string, log: Log): void {
  const problem = problemOf(error);
  if (problem.status === 500) {
    const { method, url } = response.req;
    log.error({ error, requestId, method, path: url }, 'request failed');
  }
  answer(response, prepareProblem(problem), requestId);
}
