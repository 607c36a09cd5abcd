import type { LinkRow } from '../../db/urls/link.ts';
import type { Log } from '../../runtime/log.ts';
import type { Identity } from '../auth/identities.ts';
import { makeMany } from '../bulk/make-many.ts';
import type { BulkTools } from '../bulk/tools.ts';
import { Places } from '../bulk/places.ts';
import { MAX_BULK_MS, readJson, readNdjson, type Item } from '../bulk/read-items.ts';
import type { MadeLink, Outcome, Wish } from '../bulk/wish.ts';
import type { BodyStream } from '../http/body-stream.ts';
import { Problem } from '../http/problem.ts';
import { parseJsonObject } from '../http/read-json.ts';
import type { RepeatableRequest } from '../shorten/repeatable.ts';
import { toNewLink } from '../shorten/shorten-answer.ts';
import {
  ownedBy,
  type ParsedRequest,
  type PrepareRequest,
  type ReadOwnRequest,
  type ShortenRequest,
} from '../shorten/shorten-request.ts';
import { NDJSON, type ContentReply } from './content.ts';
import { inPieces } from './text-pieces.ts';

export interface BulkServiceOptions {
  readonly tools: BulkTools;
  /** Reads an item like the body of `POST /urls`. @throws Problem */
  readonly read: ReadOwnRequest;
  readonly prepare: PrepareRequest;
  /** Makes a single link. @throws Problem */
  readonly shorten: (request: ShortenRequest) => Promise<LinkRow>;
  /** Answers an item that may be repeated. @throws Problem */
  readonly makeRepeatable: (request: RepeatableRequest) => Promise<MadeLink>;
  /** Origin of short URLs, without a slash at the end. */
  readonly publicUrl: string;
  /** Counts what became of an item. */
  readonly onItem: (outcome: Outcome) => void;
  readonly log: Log;
}

/** Each may hold a body, and answers that wait for their client. */
const PLACES = { all: 8, ofOwner: 4 };
/**
 * Some clients read nothing before they have sent everything. The answer to 10,000 items has some 6 MB, of
 * which sockets hold a part. Beside other bulks there is less room, so that all of them need little memory.
 */
const MAX_UNREAD_BYTES = { alone: 4 * 1024 * 1024, others: 1024 * 1024 };

/** For the answers to the last items. */
const LAST_ANSWERS_MS = 10_000;

/** Who sends a bulk. */
export interface Sender {
  readonly identity: Identity;
  /** Whether he still is who he was, and may still make links. @throws Problem 401, 403, 503 */
  readonly identifyAgain: () => Promise<unknown>;
  readonly idempotencyKey: string | undefined;
}

/** Makes many links for one request. */
export class BulkService {
  readonly #options: BulkServiceOptions;
  readonly #places = new Places(PLACES);
  /** Resolves when the passwords that came before are hashed. */
  #hashing: Promise<unknown> = Promise.resolve();

  constructor(options: BulkServiceOptions) {
    this.#options = options;
  }

  /** Answers a bulk in the form in which it was sent. Its items are made as they arrive. */
  make({ identifyAgain, ...others }: Sender, stream: BodyStream): ContentReply {
    const { now } = this.#options.tools;
    const endsAtMs = now() + MAX_BULK_MS;
    const admit = async (): Promise<unknown> => {
      if (now() < endsAtMs) return identifyAgain();
      throw new Problem('too-slow', { detail: 'The bulk has taken too long. This item is not made.' });
    };
    const sender = { ...others, identifyAgain: admit };
    const isNdjson = stream.type === NDJSON;
    const answers = isNdjson
      ? this.#answers(sender, readNdjson(stream.pieces))
      : this.#answers(sender, readJson(stream.pieces));
    return {
      type: isNdjson ? NDJSON : 'application/json; charset=utf-8',
      content: isNdjson ? toLines(answers) : toDocument(answers),
      maxUnreadBytes: MAX_UNREAD_BYTES[this.#places.isEmpty ? 'alone' : 'others'],
      endsAtMs: endsAtMs + LAST_ANSWERS_MS,
    };
  }

  /** The JSON of what became of each item, in their order. */
  async *#answers(sender: Sender, items: AsyncIterable<readonly Item[]>): AsyncGenerator<readonly string[]> {
    const release = this.#places.take(sender.identity.userId);
    try {
      let answered = 0;
      const making = {
        toWish: (item: Item, index: number): Wish => this.#toWish(sender, item, index),
        admit: sender.identifyAgain,
      };
      for await (const outcomes of makeMany(items, making, this.#options.tools))
        yield* inPieces(outcomes.values().map((outcome) => this.#toAnswer(answered++, outcome)));
    } finally {
      release();
    }
  }

  /** Every item becomes a wish here: one that needs more than an INSERT becomes a `make`. */
  #toWish(sender: Sender, item: Item, index: number): Wish {
    if ('problem' in item) return item;
    const { read, makeRepeatable } = this.#options;
    const { identity, idempotencyKey } = sender;
    const { userId } = identity;
    try {
      const request =
        idempotencyKey === undefined
          ? read(item.bytes.toString('latin1'), userId)
          : { fields: parseJsonObject(item.bytes), userId, idempotencyKey };
      if ('fields' in request) {
        const make = async (): Promise<MadeLink> => makeRepeatable({ ...request, index });
        const hasPassword = typeof request.fields['password'] === 'string';
        return { make: hasPassword ? async () => this.#inTurn(sender, make) : make };
      }
      if (request.password !== undefined) return { make: async () => this.#makeProtected(sender, request) };
      return { request: { ...request, own: request.own ?? ownedBy(userId) } };
    } catch (error) {
      return { problem: error instanceof Problem ? error : new Problem('internal', { cause: error }) };
    }
  }

  async #makeProtected(sender: Sender, request: ParsedRequest): Promise<MadeLink> {
    const { prepare, shorten } = this.#options;
    const prepared = await this.#inTurn(sender, async () => prepare(request));
    return { status: 201, row: await shorten(prepared) };
  }

  /** Passwords of all bulks are hashed one after another: few may wait, and others have some too. */
  async #inTurn<T>({ identifyAgain }: Sender, work: () => Promise<T>): Promise<T> {
    const turn = this.#hashing.then(async () => {
      // It has waited, perhaps for many.
      await identifyAgain();
      return work();
    });
    this.#hashing = turn.catch(() => undefined);
    return turn;
  }

  #toAnswer(index: number, outcome: Outcome): string {
    const { publicUrl, onItem, log } = this.#options;
    onItem(outcome);
    if ('problem' in outcome) {
      const { problem } = outcome;
      if (problem.status === 500) log.error({ error: problem, index }, 'an item of a bulk failed');
      return JSON.stringify({ index, status: problem.status, problem });
    }
    const { status, row, now } = outcome;
    return JSON.stringify({ index, status, link: now ?? toNewLink(row, `${publicUrl}/${row.key}`) });
  }
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
