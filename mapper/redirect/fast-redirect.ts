import type { IncomingMessage } from 'node:http';
import { MAX_ALIAS_CHARACTERS, MIN_ALIAS_CHARACTERS } from '../../db/keyspace/alias.ts';
import { wasAlwaysReserved } from '../../db/keyspace/reserved.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import { flat } from '../../runtime/flat-text.ts';
import type { Log } from '../../runtime/log.ts';
import type { CacheEntry, LinkCache } from '../cache/link-cache.ts';
import { prepareProblem } from '../http/plain-answer.ts';
import { isPlain } from '../http/plain-request.ts';
import { answerError, type Reply } from '../http/reply.ts';
import type { RequestIds } from '../http/request-id.ts';
import type { LinkFinder, LinkSource, LookUpObserver } from './link-finder.ts';
import { FOUND, isUsable, judge, locationOf, lookUpFailure, refusalOf } from './redirect-answer.ts';
import type { RedirectTally } from './redirect-tally.ts';

export interface FastRedirectOptions {
  readonly cache: LinkCache;
  readonly finder: LinkFinder;
  readonly redirects: RedirectTally;
  readonly requestIds: RequestIds;
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
  disabled: prepareProblem(refusalOf('disabled')),
  blocked: prepareProblem(refusalOf('blocked')),
  unusable: prepareProblem(refusalOf('unusable')),
};

/**
 * `GET` and `HEAD /{unique_id}` in front of Koa, which takes three times as long for the same bytes. A link
 * in memory is answered synchronously, in one write; any other waits for the finder.
 *
 * Koa answers every request that is unusual in any way. A differential test compares the answers of both,
 * byte for byte.
 */
export class FastRedirect {
  readonly #options: FastRedirectOptions;

  constructor(options: FastRedirectOptions) {
    this.#options = options;
  }

  /**
   * A request that Node has parsed.
   * @returns false when Koa must answer; otherwise this answers, now or later
   */
  tryAnswer(request: IncomingMessage, reply: Reply): boolean {
    const { headers } = request;
    const key = findKey(request.url);
    if (key === undefined || headers['content-length'] !== undefined || !isPlain(request, headers))
      return false;
    return this.#tryFollow(key, reply, headers['x-request-id']);
  }

  /**
   * A usual request, by its path.
   * @returns false when Koa must answer; otherwise this answers, now or later
   */
  tryPath(path: string, reply: Reply): boolean {
    const key = findKey(path);
    return key !== undefined && this.#tryFollow(key, reply, undefined);
  }

  /** A request that Node has parsed, of a client that may follow no link now. Like {@link tryAnswer}. */
  tryRefuse(request: IncomingMessage, reply: Reply, error: Error): boolean {
    const { headers } = request;
    if (headers['content-length'] !== undefined || !isPlain(request, headers)) return false;
    return this.#tryRefuse(findKey(request.url), reply, headers['x-request-id'], error);
  }

  /** A usual request of a client that may follow no link now. Like {@link tryPath}. */
  tryRefusePath(path: string, reply: Reply, error: Error): boolean {
    return this.#tryRefuse(findKey(path), reply, undefined, error);
  }

  #tryRefuse(
    key: string | undefined,
    reply: Reply,
    givenId: string | string[] | undefined,
    error: Error,
  ): boolean {
    if (key === undefined || wasAlwaysReserved(key)) return false;
    const { requestIds, redirects, log } = this.#options;
    redirects.limited();
    answerError(reply, error, requestIds.of(givenId), log);
    return true;
  }

  #tryFollow(key: string, reply: Reply, givenId: string | string[] | undefined): boolean {
    const { cache, requestIds, redirects } = this.#options;
    const startedMs = monotonicMs();
    const target = cache.findTarget(key, Date.now);
    if (target !== undefined) {
      this.#redirect(reply, cache.foundKey, target, 'memory', requestIds.of(givenId));
      redirects.took(startedMs);
      return true;
    }
    // From here on the key is stored somewhere, longer than its request.
    const ownKey = flat(key);
    const entry = cache.get(ownKey);
    if (entry !== undefined) {
      this.#answer(reply, ownKey, entry, 'memory', requestIds.of(givenId));
      redirects.took(startedMs);
      return true;
    }
    if (wasAlwaysReserved(ownKey)) return false;
    const miss = new Miss(this.#late, reply, ownKey, startedMs, requestIds.of(givenId));
    this.#options.finder.read(ownKey, miss);
    return true;
  }

  readonly #late: LateAnswers = {
    found: (miss, entry, source) => {
      const { reply, key, requestId, startedMs } = miss;
      try {
        this.#answer(reply, key, entry, source, requestId);
        this.#options.redirects.took(startedMs);
      } catch (error) {
        // Must not throw: other requests wait for the same link.
        this.#late.failed(miss, error);
      }
    },
    failed: ({ reply, requestId, startedMs }, error) => {
      const { redirects, log } = this.#options;
      redirects.failed(error);
      answerError(reply, lookUpFailure(error), requestId, log);
      redirects.took(startedMs);
    },
  };

  #answer(reply: Reply, key: string, entry: CacheEntry, source: LinkSource, requestId: string): void {
    const result = judge(entry, Date.now);
    if (result === 'found') this.#redirect(reply, key, locationOf(entry), source, requestId);
    else this.#refuse(reply, key, result, source, requestId);
  }

  #refuse(
    reply: Reply,
    key: string,
    result: keyof typeof REFUSALS,
    source: LinkSource,
    requestId: string,
  ): void {
    this.#options.redirects.answered(key, false, result, source);
    reply.sendPrepared(REFUSALS[result], requestId);
  }

  #redirect(reply: Reply, key: string, target: string, source: LinkSource, requestId: string): void {
    // Again for a link that was judged, but a link in memory comes here directly.
    if (!isUsable(target)) {
      this.#refuse(reply, key, 'unusable', source, requestId);
      return;
    }
    this.#options.redirects.answered(key, reply.method === 'GET', 'found', source);
    reply.send(FOUND, '', requestId, target);
  }
}

interface LateAnswers {
  found(miss: Miss, entry: CacheEntry, source: LinkSource): void;
  failed(miss: Miss, error: unknown): void;
}

/** A request whose link was not in memory, with all that its answer needs. */
class Miss implements LookUpObserver {
  readonly reply: Reply;
  readonly key: string;
  readonly startedMs: number;
  readonly requestId: string;
  readonly #answers: LateAnswers;

  constructor(answers: LateAnswers, reply: Reply, key: string, startedMs: number, requestId: string) {
    this.#answers = answers;
    this.reply = reply;
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
