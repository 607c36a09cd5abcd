import type { Log } from '../../runtime/log.ts';
import type { Identity } from '../auth/identities.ts';
import { makeMany } from '../bulk/make-many.ts';
import type { BulkTools } from '../bulk/tools.ts';
import { Places } from '../bulk/places.ts';
import { readJson, readNdjson, type Item } from '../bulk/read-items.ts';
import type { Outcome, Wish } from '../bulk/wish.ts';
import type { BodyStream } from '../http/body-stream.ts';
import { Problem } from '../http/problem.ts';
import { toNewLink } from '../shorten/shorten-answer.ts';
import {
  ownedBy,
  type ParsedRequest,
  type ParseShortenRequest,
  type PrepareRequest,
} from '../shorten/shorten-request.ts';
import { NDJSON, type ContentReply } from './content.ts';

export interface BulkServiceOptions {
  readonly tools: BulkTools;
  /** Checks the fields of a new link. @throws Problem */
  readonly parse: ParseShortenRequest;
  readonly prepare: PrepareRequest;
  /** Origin of short URLs, without a slash at the end. */
  readonly publicUrl: string;
  /** Counts what became of an item. @param problem undefined: its link was made */
  readonly onItem: (problem: Problem | undefined) => void;
  readonly log: Log;
}

/** Each may hold a body, and answers that wait for their client. */
const PLACES = { all: 8, ofOwner: 4 };
/**
 * Some clients read nothing before they have sent everything. The answer to 10,000 items has some 6 MB, of
 * which sockets hold a part.
 */
const MAX_UNREAD_BYTES = 4 * 1024 * 1024;

/** Makes many links for one request. */
export class BulkService {
  readonly #options: BulkServiceOptions;
  readonly #places = new Places(PLACES);

  constructor(options: BulkServiceOptions) {
    this.#options = options;
  }

  /** Answers a bulk in the form in which it was sent. Its items are made as they arrive. */
  make(identity: Identity, stream: BodyStream): ContentReply {
    const isNdjson = stream.type === NDJSON;
    const answers = isNdjson
      ? this.#answers(identity, readNdjson(stream.pieces))
      : this.#answers(identity, readJson(stream.pieces));
    return {
      type: isNdjson ? NDJSON : 'application/json; charset=utf-8',
      content: isNdjson ? toLines(answers) : toDocument(answers),
      maxUnreadBytes: MAX_UNREAD_BYTES,
    };
  }

  /** The JSON of what became of each item, in their order. */
  async *#answers({ userId }: Identity, items: AsyncIterable<readonly Item[]>): AsyncGenerator<string[]> {
    const release = this.#places.take(userId);
    try {
      let index = 0;
      for await (const outcomes of makeMany(this.#wishes(userId, items), this.#options.tools))
        yield outcomes.map((outcome) => this.#toAnswer(index++, outcome));
    } finally {
      release();
    }
  }

  async *#wishes(userId: bigint, items: AsyncIterable<readonly Item[]>): AsyncGenerator<readonly Wish[]> {
    for await (const group of items) {
      const wishes: Wish[] = [];
      // One after another: few passwords may wait to be hashed.
      for (const item of group) {
        const wish = this.#toWish(userId, item);
        wishes.push(wish instanceof Promise ? await wish : wish);
      }
      yield wishes;
    }
  }

  /** Every item becomes a wish here: one that needs more than an INSERT becomes a `make`. */
  #toWish(userId: bigint, item: Item): Wish | Promise<Wish> {
    if ('problem' in item) return item;
    try {
      const request = this.#options.parse(item.fields, userId);
      if (request.password !== undefined) return this.#prepare(userId, request);
      return { request: { ...request, own: request.own ?? ownedBy(userId) } };
    } catch (error) {
      return toRefusal(error);
    }
  }

  async #prepare(userId: bigint, request: ParsedRequest): Promise<Wish> {
    try {
      const prepared = await this.#options.prepare(request);
      return { request: { ...prepared, own: prepared.own ?? ownedBy(userId) } };
    } catch (error) {
      return toRefusal(error);
    }
  }

  #toAnswer(index: number, outcome: Outcome): string {
    const { publicUrl, onItem, log } = this.#options;
    if ('problem' in outcome) {
      const { problem } = outcome;
      onItem(problem);
      if (problem.status === 500) log.error({ error: problem, index }, 'an item of a bulk failed');
      return JSON.stringify({ index, status: problem.status, problem });
    }
    onItem(undefined);
    const { status, row } = outcome;
    return JSON.stringify({ index, status, link: toNewLink(row, `${publicUrl}/${row.key}`) });
  }
}

function toRefusal(error: unknown): Wish {
  if (error instanceof Problem) return { problem: error };
  throw error;
}

async function* toLines(answers: AsyncIterable<readonly string[]>): AsyncGenerator<string> {
  for await (const some of answers) if (some.length > 0) yield `${some.join('\n')}\n`;
}

/** The document in pieces. It is whole only with the last one. */
async function* toDocument(answers: AsyncIterable<readonly string[]>): AsyncGenerator<string> {
  let before = '{"items":[';
  for await (const some of answers) {
    if (some.length === 0) continue;
    yield before + some.join(',');
    before = ',';
  }
  yield before === ',' ? ']}' : `${before}]}`;
}
