import type { IncomingMessage } from 'node:http';
import { MAX_ALIAS_CHARACTERS, MIN_ALIAS_CHARACTERS } from '../../db/keyspace/alias.ts';
import { wasAlwaysReserved } from '../../db/keyspace/reserved.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import { flat } from '../../runtime/flat-text.ts';
import type { Log } from '../../runtime/log.ts';
import type { CachedLink, CacheEntry, LinkCache } from '../cache/link-cache.ts';
import { isPlain } from '../http/plain-request.ts';
import { prepareFor } from '../http/problem-page.ts';
import { answerError, type Reply } from '../http/reply.ts';
import type { RequestIds } from '../http/request-id.ts';
import type { LinkFinder, LinkSource, LookUpObserver } from './link-finder.ts';
import { FOUND, judge, locationOf, lookUpFailure, type Refusal } from './redirect-answer.ts';
import type { RedirectTally } from './redirect-tally.ts';
import type { Refusals } from './refusals.ts';
import type { VisitAnswer, Visits } from './visit.ts';

export interface FastRedirectOptions {
  readonly cache: LinkCache;
  readonly finder: LinkFinder;
  readonly redirects: RedirectTally;
  readonly refusals: Refusals;
  /** Answers for links with rules. */
  readonly visits: Visits;
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
    const { requestIds, redirects } = this.#options;
    redirects.limited();
    this.#answerError(reply, error, requestIds.of(givenId));
    return true;
  }

  #tryFollow(key: string, reply: Reply, givenId: string | string[] | undefined): boolean {
    const { cache, requestIds, redirects } = this.#options;
    const startedMs = monotonicMs();
    const target = cache.findTarget(key, startedMs, Date.now);
    if (target !== undefined) {
      this.#redirect(reply, cache.foundKey, target, 'memory', requestIds.of(givenId));
      redirects.took(startedMs);
      return true;
    }
    // From here on the key is stored somewhere, longer than its request.
    const ownKey = flat(key);
    const entry = cache.get(ownKey);
    if (entry === undefined && wasAlwaysReserved(ownKey)) return false;
    const asked = new Asked(this.#answers, reply, ownKey, startedMs, requestIds.of(givenId));
    if (entry === undefined) this.#options.finder.read(ownKey, asked);
    else asked.found(entry, 'memory');
    return true;
  }

  readonly #answers: Answers = {
    found: (asked, entry, source) => {
      try {
        if (entry !== 'unknown' && entry.rules !== undefined) this.#visit(asked, entry, source);
        else this.#answer(asked, entry, source);
      } catch (error) {
        // Must not throw: other requests wait for the same link.
        this.#answers.failed(asked, error);
      }
    },
    failed: ({ reply, requestId, startedMs }, error) => {
      const { redirects } = this.#options;
      redirects.failed(error);
      this.#answerError(reply, lookUpFailure(error), requestId);
      redirects.took(startedMs);
    },
  };

  #answer({ reply, key, requestId, startedMs }: Asked, entry: CacheEntry, source: LinkSource): void {
    const result = judge(entry, Date.now);
    if (result === 'found') this.#redirect(reply, key, locationOf(entry), source, requestId);
    else this.#refuse(reply, key, result, source, requestId);
    this.#options.redirects.took(startedMs);
  }

  #visit(asked: Asked, link: CachedLink, source: LinkSource): void {
    const { key, reply } = asked;
    const answered = this.#options.visits.answer({ key, link, isPreview: false, request: reply });
    if (!(answered instanceof Promise)) this.#finishVisit(asked, answered, source);
    else
      void answered
        .then((late) => this.#finishVisit(asked, late, source))
        .catch((error: unknown) => this.#answers.failed(asked, error));
  }

  #finishVisit({ reply, key, requestId, startedMs }: Asked, answered: VisitAnswer, source: LinkSource): void {
    const { redirects } = this.#options;
    redirects.answered(key, clickOf(reply), answered.result, source);
    reply.sendPrepared(answered.answer, requestId);
    redirects.took(startedMs);
  }

  #refuse(reply: Reply, key: string, result: Refusal, source: LinkSource, requestId: string): void {
    const { redirects, refusals } = this.#options;
    redirects.answered(key, clickOf(reply), result, source);
    reply.sendPrepared(refusals.of(result, reply), requestId);
  }

  #answerError(reply: Reply, error: unknown, requestId: string): void {
    const { log } = this.#options;
    answerError(reply, error, { requestId, log, prepare: (problem) => prepareFor(reply, problem) });
  }

  #redirect(reply: Reply, key: string, target: string, source: LinkSource, requestId: string): void {
    this.#options.redirects.answered(key, clickOf(reply), 'found', source);
    reply.send(FOUND, '', requestId, target);
  }
}

function clickOf(reply: Reply): Reply | undefined {
  return reply.method === 'GET' ? reply : undefined;
}

interface Answers {
  found(asked: Asked, entry: CacheEntry, source: LinkSource): void;
  failed(asked: Asked, error: unknown): void;
}

/** A request that memory alone could not answer with a redirect, with all that its answer needs. */
class Asked implements LookUpObserver {
  readonly reply: Reply;
  readonly key: string;
  readonly startedMs: number;
  readonly requestId: string;
  readonly #answers: Answers;

  constructor(answers: Answers, reply: Reply, key: string, startedMs: number, requestId: string) {
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
