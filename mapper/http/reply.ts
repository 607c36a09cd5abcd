import type { Log } from '../../runtime/log.ts';
import type { Head } from './answer-head.ts';
import { prepareProblem, type PreparedAnswer } from './plain-answer.ts';
import { problemOf, type Problem } from './problem.ts';
import type { RequestFacts } from './request-facts.ts';

/**
 * A request, and where its answer goes: a connection of the front, or a response of Node. Both write the same
 * bytes. Each request is answered once, now or later; an answer for a client that has gone is dropped.
 */
export interface Reply extends RequestFacts {
  /** As it is logged. */
  readonly url: string | undefined;
  /**
   * @param body ASCII; the head states its length
   * @param values those of the head that vary, all checked
   */
  send(head: Head, body: string, first: string, second: string, third?: string): void;
  sendPrepared(prepared: PreparedAnswer, requestId: string): void;
}

/** Answers with the problem that `error` stands for. Logs an error that is our fault. */
export function answerError(
  reply: Reply,
  error: unknown,
  { requestId, log, prepare = prepareProblem }: AnswerErrorOptions,
): void {
  const problem = problemOf(error);
  if (problem.status === 500)
    log.error({ error, requestId, method: reply.method, path: reply.url }, 'request failed');
  reply.sendPrepared(prepare(problem), requestId);
}

export interface AnswerErrorOptions {
  readonly requestId: string;
  readonly log: Log;
  /** How the problem is answered. Default: as a problem document. */
  readonly prepare?: (problem: Problem) => PreparedAnswer;
}
