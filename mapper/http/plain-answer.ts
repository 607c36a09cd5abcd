import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { Log } from '../../runtime/log.ts';
import { PROBLEM_TYPE, problemOf, type Problem } from './problem.ts';

/** An answer built in advance. Only the request id varies. */
export interface PreparedAnswer {
  readonly status: number;
  /** Of the status line, in the words of RFC 9110. Node has older ones. */
  readonly reason: string;
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
  return { status: problem.status, reason: problem.title, headers, body };
}

/** The response keeps no reference to `prepared`, so one object serves all requests. */
export function answer(response: ServerResponse, prepared: PreparedAnswer, requestId: string): void {
  prepared.headers[1] = requestId;
  response.writeHead(prepared.status, prepared.reason, prepared.headers);
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

/** The bytes of an answer that no request has, and that closes the connection. */
export function closingAnswer(problem: Problem): string {
  const { status, reason, headers, body } = prepareProblem(problem);
  headers[1] = randomUUID();
  headers.push('Connection', 'close');
  let head = `HTTP/1.1 ${status} ${reason}\r\n`;
  for (let i = 0; i < headers.length; i += 2) head += `${headers[i]}: ${headers[i + 1]}\r\n`;
  return `${head}\r\n${body}`;
}
