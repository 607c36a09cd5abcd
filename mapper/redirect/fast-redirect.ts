import type { IncomingMessage, ServerResponse } from 'node:http';
import { MAX_ALIAS_CHARACTERS, MIN_ALIAS_CHARACTERS } from '../../db/keyspace/alias.ts';
import { wasAlwaysReserved } from '../../db/keyspace/reserved.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import type { CacheEntry, LinkCache } from '../cache/link-cache.ts';
import { answer, answerError, prepareProblem } from '../http/plain-answer.ts';
import { isPlain } from '../http/plain-request.ts';
import type { RequestIds } from '../http/request-id.ts';
import type { WholeAnswers } from '../http/whole-answer.ts';
import type { LinkFinder, LinkSource, LookUpObserver } from './link-finder.ts';
import { FOUND, isUsable, judge, locationOf, lookUpFailure, refusalOf } from './redirect-answer.ts';
import type { RedirectTally } from './redirect-tally.ts';

export interface FastRedirectOptions {
  readonly cache: LinkCache;
  readonly finder: LinkFinder;
  readonly redirects: RedirectTally;
  readonly requestIds: RequestIds;
  readonly answers: WholeAnswers;
  readonly log: Log;
}

const SLASH = 47;
const QUESTION_MARK = 63;

/** Indexed by character code: 1 for the characters of a key. */
const IS_KEY_CHARACTER = new Uint8Array(128);
for (const character of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_') {
  IS_KEY_CHARACTER[character.charCodeAt(0)] = 1;
}

const REFUSALS = {
  unknown: prepareProblem(refusalOf('unknown')),
  expired: prepareProblem(refusalOf('expired')),
  deleted: prepareProblem(refusalOf('deleted')),
  unusable: prepareProblem(refusalOf('unusable')),
};

/**
 * `GET` and `HEAD /{unique_id}` in front of Koa, which takes three times as long for the same bytes. A link
 * in memory is answered synchronously, in one write; any other waits for the finder. When the connection ends
 * with the answer, Node writes it.
 *
 * Koa answers every request that is unusual in any way. A differential test compares the answers of both,
 * byte for byte.
 */
export class FastRedirect {
  readonly #options: FastRedirectOptions;

  constructor(options: FastRedirectOptions) {
    this.#options = options;
  }

  /** @returns false when Koa must answer; otherwise this answers, now or later */
  tryAnswer(request: IncomingMessage, response: ServerResponse): boolean {
    const { headers } = request;
    const key = findKey(request.url);
    if (key === undefined || headers['content-length'] !== undefined || !isPlain(request, headers))
      return false;
    const { cache, requestIds } = this.#options;
    const startedMs = monotonicMs();
    const target = cache.findTarget(key, Date.now);
    if (target !== undefined) {
      this.#redirect(response, cache.foundKey, target, 'memory', requestIds.of(headers['x-request-id']));
      this.#options.redirects.took(startedMs);
      return true;
    }
    const entry = cache.get(key);
    if (entry !== undefined) {
      this.#answer(response, key, entry, 'memory', requestIds.of(headers['x-request-id']));
      this.#options.redirects.took(startedMs);
      return true;
    }
    if (wasAlwaysReserved(key)) return false;
    this.#options.finder.read(
      key,
      new Miss(this.#late, response, key, startedMs, requestIds.of(headers['x-request-id'])),
    );
    return true;
  }

  readonly #late: LateAnswers = {
    found: (miss, entry, source) => {
      const { response, key, requestId, startedMs } = miss;
      try {
        this.#answer(response, key, entry, source, requestId);
        this.#options.redirects.took(startedMs);
      } catch (error) {
        // Must not throw: other requests wait for the same link.
        this.#late.failed(miss, error);
      }
    },
    failed: ({ response, requestId, startedMs }, error) => {
      const { redirects, log } = this.#options;
      redirects.failed(error);
      answerError(response, lookUpFailure(error), requestId, log);
      redirects.took(startedMs);
    },
  };

  #answer(
    response: ServerResponse,
    key: string,
    entry: CacheEntry,
    source: LinkSource,
    requestId: string,
  ): void {
    const result = judge(entry, Date.now);
    if (result === 'found') this.#redirect(response, key, locationOf(entry), source, requestId);
    else this.#refuse(response, key, result, source, requestId);
  }

  #refuse(
    response: ServerResponse,
    key: string,
    result: keyof typeof REFUSALS,
    source: LinkSource,
    requestId: string,
  ): void {
    this.#options.redirects.answered(key, false, result, source);
    answer(response, REFUSALS[result], requestId);
  }

  #redirect(
    response: ServerResponse,
    key: string,
    target: string,
    source: LinkSource,
    requestId: string,
  ): void {
    const { redirects, answers } = this.#options;
    // Again for a link that was judged, but a link in memory comes here directly.
    if (!isUsable(target)) {
      this.#refuse(response, key, 'unusable', source, requestId);
      return;
    }
    const isWritten = answers.tryWrite(response, FOUND.toText(requestId, target));
    redirects.answered(key, response.req.method === 'GET', 'found', source);
    if (isWritten) return;
    FOUND.write(response, requestId, target);
    response.end();
  }
}

interface LateAnswers {
  found(miss: Miss, entry: CacheEntry, source: LinkSource): void;
  failed(miss: Miss, error: unknown): void;
}

/** A request whose link was not in memory, with all that its answer needs. */
class Miss implements LookUpObserver {
  readonly response: ServerResponse;
  readonly key: string;
  readonly startedMs: number;
  readonly requestId: string;
  readonly #answers: LateAnswers;

  constructor(
    answers: LateAnswers,
    response: ServerResponse,
    key: string,
    startedMs: number,
    requestId: string,
  ) {
    this.#answers = answers;
    this.response = response;
    this.key = key;
    this.startedMs = startedMs;
    this.requestId = requestId;
  }

  found(entry: CacheEntry, source: LinkSource): void {
    this.#answers.found(this, entry, source);
  }

  failed(error: Error): void {
    this.#answers.failed(this, error);
  }
}

/** The key in a path of the form `/{unique_id}` or `/{unique_id}?…`; undefined for any other path. */
function findKey(url = ''): string | undefined {
  if (url.charCodeAt(0) !== SLASH) return undefined;
  const { length } = url;
  let end = 1;
  while (end < length && end <= MAX_ALIAS_CHARACTERS + 1) {
    const code = url.charCodeAt(end);
    if (IS_KEY_CHARACTER[code] !== 1) {
      if (code !== QUESTION_MARK) return undefined;
      break;
    }
    end += 1;
  }
  if (end <= MIN_ALIAS_CHARACTERS || end > MAX_ALIAS_CHARACTERS + 1) return undefined;
  return url.slice(1, end);
}
