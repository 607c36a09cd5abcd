import type { ServerResponse } from 'node:http';
import type { AnswerHead, Head } from '../http/answer-head.ts';
import type { PreparedAnswer } from '../http/plain-answer.ts';
import type { Reply } from '../http/reply.ts';
import type { Quota } from './rate-policy.ts';

/** The header fields of a quota, names and values in turn. They follow `X-Request-Id` in every answer. */
function fieldsOf({ policy, state }: Quota): [string, string, string, string] {
  return ['RateLimit-Policy', policy, 'RateLimit', state];
}

/** For answers that Koa writes. Of links, call it when only `X-Request-Id` is set: their order is fixed. */
export function setQuota(response: ServerResponse, { policy, state }: Quota): void {
  response.setHeader('RateLimit-Policy', policy);
  response.setHeader('RateLimit', state);
}

/** A place for an answer that says what the client may still do. */
export class QuotaReply implements Reply {
  readonly #reply: Reply;
  readonly #quota: Quota;

  constructor(reply: Reply, quota: Quota) {
    this.#reply = reply;
    this.#quota = quota;
  }

  get method(): string | undefined {
    return this.#reply.method;
  }

  get url(): string | undefined {
    return this.#reply.url;
  }

  send(head: AnswerHead, body: string, first: string, second: string, third?: string): void {
    this.#reply.send(new QuotaHead(head, fieldsOf(this.#quota)), body, first, second, third);
  }

  sendPrepared(prepared: PreparedAnswer, requestId: string): void {
    const [name, id, ...rest] = prepared.headers as [string, string, ...string[]];
    const headers = [name, id, ...fieldsOf(this.#quota), ...rest];
    this.#reply.sendPrepared({ ...prepared, headers }, requestId);
  }
}

/** A head with header fields of this one answer. */
class QuotaHead implements Head {
  readonly #head: AnswerHead;
  readonly #fields: readonly [string, string, string, string];

  constructor(head: AnswerHead, fields: readonly [string, string, string, string]) {
    this.#head = head;
    this.#fields = fields;
  }

  toText(ending: string, requestId: string, second: string, third = ''): string {
    const [one, two, three, four] = this.#fields;
    return this.#head.toText(ending, `${requestId}\r\n${one}: ${two}\r\n${three}: ${four}`, second, third);
  }

  write(response: ServerResponse, ...values: readonly (string | undefined)[]): void {
    this.#head.writeWith(response, this.#fields, values);
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

  send(head: AnswerHead, body: string, first: string, second: string, third?: string): void {
    this.#reply.send(head, body, first, second, third);
  }

  sendPrepared(prepared: PreparedAnswer, requestId: string): void {
    // First: the client's next request may follow at once.
    if (prepared.status === 404) this.#onMissed(this.#client);
    this.#reply.sendPrepared(prepared, requestId);
  }
}
