import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Admission } from '../http/admission.ts';
import type { AnswerHead, Head } from '../http/answer-head.ts';
import { isMiss, type PreparedAnswer } from '../http/plain-answer.ts';
import type { Problem } from '../http/problem.ts';
import type { Reply } from '../http/reply.ts';
import { quotaFields, type Quota } from './rate-policy.ts';

/** For answers that Koa writes. Of links, call it when only `X-Request-Id` is set: their order is fixed. */
export function setQuota(response: ServerResponse, quota: Quota): void {
  for (const [name, value] of Object.entries(quotaFields(quota))) response.setHeader(name, value);
}

/**
 * A place for an answer that says what the client may still do, in header fields behind `X-Request-Id`. It is
 * also the admission and the head of that answer: every new link without an account needs all three.
 */
export class QuotaReply implements Admission, Head, Reply {
  readonly refusal: Problem | undefined;
  readonly #reply: Reply;
  readonly #quota: Quota;
  #head: AnswerHead | undefined;

  constructor(reply: Reply, quota: Quota, refusal: Problem | undefined) {
    this.refusal = refusal;
    this.#reply = reply;
    this.#quota = quota;
  }

  get reply(): Reply {
    return this;
  }

  get method(): string | undefined {
    return this.#reply.method;
  }

  get url(): string | undefined {
    return this.#reply.url;
  }

  get query(): string | undefined {
    return this.#reply.query;
  }

  get peer(): Socket {
    return this.#reply.peer;
  }

  get head(): string {
    return this.#reply.head;
  }

  get headStart(): number {
    return this.#reply.headStart;
  }

  header(name: string): string | undefined {
    return this.#reply.header(name);
  }

  send(head: AnswerHead, body: string, first: string, second: string, third?: string): void {
    this.#head = head;
    this.#reply.send(this, body, first, second, third);
  }

  sendPrepared(prepared: PreparedAnswer, requestId: string): void {
    const [name, id, ...rest] = prepared.headers as [string, string, ...string[]];
    this.#reply.sendPrepared({ ...prepared, headers: [name, id, ...this.#fields, ...rest] }, requestId);
  }

  toText(ending: string, requestId: string, second: string, third = ''): string {
    const { limit, remaining, seconds } = this.#quota;
    const first = `${requestId}${limit.lines}${remaining};t=${seconds}`;
    return this.#head?.toText(ending, first, second, third) ?? '';
  }

  write(response: ServerResponse, ...values: readonly (string | undefined)[]): void {
    this.#head?.writeWith(response, this.#fields, values);
  }

  /** Names and values in turn. */
  get #fields(): string[] {
    return Object.entries(quotaFields(this.#quota)).flat();
  }
}

/** A place for an answer to a request for a link: reports that there is no such link. */
export class MissReply implements Reply {
  readonly #reply: Reply;
  readonly #onMissed: (client: string) => void;
  readonly #client: string;

  constructor(reply: Reply, onMissed: (client: string) => void, client: string) {
    this.#reply = reply;
    this.#onMissed = onMissed;
    this.#client = client;
  }

  get method(): string | undefined {
    return this.#reply.method;
  }

  get url(): string | undefined {
    return this.#reply.url;
  }

  get query(): string | undefined {
    return this.#reply.query;
  }

  get peer(): Socket {
    return this.#reply.peer;
  }

  get head(): string {
    return this.#reply.head;
  }

  get headStart(): number {
    return this.#reply.headStart;
  }

  header(name: string): string | undefined {
    return this.#reply.header(name);
  }

  send(head: AnswerHead, body: string, first: string, second: string, third?: string): void {
    this.#reply.send(head, body, first, second, third);
  }

  sendPrepared(prepared: PreparedAnswer, requestId: string): void {
    // First: the client's next request may follow at once.
    if (isMiss(prepared)) this.#onMissed(this.#client);
    this.#reply.sendPrepared(prepared, requestId);
  }
}
