import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { Context } from 'koa';
import { PROBLEM_TYPE, type Problem } from './problem.ts';

/** An answer built in advance. Only the request id varies. */
export interface PreparedAnswer {
  readonly status: number;
  /** Of the status line, in the words of RFC 9110. Node has older ones. */
  readonly reason: string;
  /** Names and values in turn, `X-Request-Id` first. */
  readonly headers: string[];
  readonly body: string;
  /** Whether it says that there is no such link. Default: if its status is 404. */
  readonly isMiss?: boolean;
}

/** Whether an answer says that there is no such link: who gets many of them is guessing. */
export function isMiss(answered: PreparedAnswer): boolean {
  return answered.isMiss ?? answered.status === 404;
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

/** Through Koa, which has set `X-Request-Id` already. */
export function setPrepared(ctx: Context, { status, reason, headers, body }: PreparedAnswer): void {
  // Setting a null body removes the headers of a body; setting a text adds only those that are missing.
  if (body === '') ctx.body = null;
  ctx.status = status;
  ctx.message = reason;
  for (let i = 2; i < headers.length; i += 2) ctx.set(headers[i] ?? '', headers[i + 1] ?? '');
  if (body !== '') ctx.body = body;
}

/** Status line and headers as text, without the line break of the last header. */
export function headOf(prepared: PreparedAnswer, requestId: string): string {
  const { status, reason, headers } = prepared;
  headers[1] = requestId;
  let head = `HTTP/1.1 ${status} ${reason}`;
  for (let i = 0; i < headers.length; i += 2) head += `\r\n${headers[i]}: ${headers[i + 1]}`;
  return head;
}

/** The bytes of an answer that no request has, and that closes the connection. */
export function closingAnswer(problem: Problem): string {
  const prepared = prepareProblem(problem);
  return `${headOf(prepared, randomUUID())}\r\nConnection: close\r\n\r\n${prepared.body}`;
}
