import type { MadeLink } from '../../db/own-links/find-alike.ts';
import type { OwnedRow } from '../../db/own-links/owned-insert.ts';
import { NO_CLICKS } from '../../db/own-links/read-links.ts';
import type { ReservedLink } from '../../db/reservations/reservation.ts';
import type { LinkRow } from '../../db/urls/link.ts';
import { Problem } from '../http/problem.ts';
import type { OwnLinks } from '../links/own-links.ts';
import { dedupeIdentity, idempotencyIdentity } from '../reservations/reservation-hash.ts';
import type { Reservations } from '../reservations/reservations.ts';
import type { ReservedRequest, UnboundLink } from '../reservations/reserved-request.ts';
import {
  asksToFind,
  REPLAYED,
  type RepeatableAnswer,
  type RepeatableRequest,
} from '../shorten/repeatable.ts';
import {
  CREATED,
  CREATED_BEFORE,
  formatFoundLink,
  formatNewLink,
  FOUND,
  FOUND_BEFORE,
} from '../shorten/shorten-answer.ts';
import {
  createShortenRequestParser,
  ownedBy,
  type ParsedRequest,
  type ParseShortenRequest,
  type PrepareRequest,
} from '../shorten/shorten-request.ts';
import { aliasTaken, toProblem } from '../shorten/shorten-problems.ts';
import type { TargetRules } from '../shorten/target-url.ts';
import { comparableFields, withoutNulls } from './comparable-fields.ts';
import { createFormParser } from './form-parser.ts';

export interface RepeatsOptions {
  readonly reservations: Pick<Reservations, 'make'>;
  readonly own: Pick<OwnLinks, 'findAlike' | 'clicksOf'>;
  readonly targets: TargetRules;
  readonly prepare: PrepareRequest;
  /** Origin of short URLs, without a slash at the end. */
  readonly publicUrl: string;
  /** Shared by all mappers of a cluster. */
  readonly secret: string;
}

/** A request, or the place of one in a bulk request. */
export type RepeatedRequest = RepeatableRequest & { readonly index?: number };

/** The link of a request that asks for the one that there may be. */
type FoundOrMade =
  | { readonly found: MadeLink }
  /** Made now (`isFirst`), or for an earlier request. */
  | { readonly row: LinkRow | OwnedRow; readonly isFirst: boolean }
  | 'taken';

const DAY_S = 86_400;

/**
 * Answers requests for a link that may be sent several times: however often, at the same time, and to
 * whichever processes, they make one link.
 *
 * - `find_if_exists`: the answer is the link that there is. So the request is judged each time, and an
 *   owner's own links are looked at first.
 * - `Idempotency-Key`: the answer is the one that was given before, also when its link has changed since.
 *   What depends on time and lists is judged for the first request only.
 * - With both, the first request with the key finds or makes the link, and later ones get its answer.
 */
export class Repeats {
  readonly #options: RepeatsOptions;
  readonly #parseAny: ParseShortenRequest;
  readonly #parseForm: ParseShortenRequest;

  constructor(options: RepeatsOptions) {
    this.#options = options;
    this.#parseAny = createShortenRequestParser(options.targets, Date.now);
    this.#parseForm = createFormParser(options.targets);
  }

  /** @throws Problem */
  async answer(request: RepeatedRequest): Promise<RepeatableAnswer> {
    const { idempotencyKey } = request;
    try {
      return idempotencyKey === undefined
        ? await this.#find(request)
        : await this.#repeat(request, idempotencyKey);
    } catch (error) {
      throw toProblem(error);
    }
  }

  async #find(request: RepeatedRequest): Promise<RepeatableAnswer> {
    const asked = this.#parse(request);
    const found = await this.#findOrMake(request, asked);
    if (found === 'taken') throw aliasTaken(asked.alias ?? '');
    if ('found' in found) return this.#answerFound(found.found, asked);
    const { row, isFirst } = found;
    return isFirst
      ? { head: CREATED, result: 'created', ...this.#format(row, asked) }
      : { head: FOUND, result: 'found', ...this.#format(row, asked) };
  }

  async #repeat(request: RepeatedRequest, idempotencyKey: string): Promise<RepeatableAnswer> {
    const { fields, userId, index } = request;
    const { reservations, secret } = this.#options;
    const asked = this.#parseForm(fields, userId ?? null);
    const place = { idempotencyKey, ...(index !== undefined && { index }) };
    const outcome = await reservations.make({
      ...idempotencyIdentity(userId ?? null, place, comparableFields(fields, secret)),
      kind: 'idempotency',
      keeping: { forSeconds: DAY_S },
      alias: asked.alias,
      ...this.#linkOf(asked),
      judgeAsFirst: () => this.#parse(request),
      ...(asksToFind(fields) && {
        findLink: async () => toReserved(await this.#findOrMake(request, this.#parse(request))),
      }),
    });
    if (outcome.answer === 'other-body') throw keyReused();
    const { isFirst } = outcome;
    if (outcome.answer === 'taken') throw aliasTaken(asked.alias ?? '', isFirst ? {} : REPLAYED);
    const { row, isFound } = outcome;
    if (!isFirst) {
      const head = isFound ? FOUND_BEFORE : CREATED_BEFORE;
      return { head, result: 'replayed', ...this.#format(row, asked) };
    }
    const [head, result] = isFound ? ([FOUND, 'found'] as const) : ([CREATED, 'created'] as const);
    return { head, result, ...this.#format(row, asked) };
  }

  async #findOrMake(request: RepeatedRequest, asked: ParsedRequest): Promise<FoundOrMade> {
    const { fields, userId } = request;
    const { reservations, own, secret } = this.#options;
    const { alias, longUrl, expiresAt } = asked;
    // Whether the password of a link is the same, only its reservation tells.
    if (userId !== undefined && asked.password === undefined) {
      const fields = { ...ownedBy(userId), ...asked.own, userId };
      const found = await own.findAlike({ ...fields, alias, longUrl, expiresAt });
      if (found !== undefined) return { found };
    }
    const outcome = await reservations.make({
      ...dedupeIdentity(userId ?? null, withoutNulls(comparableFields(fields, secret)), longUrl),
      kind: 'dedupe',
      keeping: { until: expiresAt },
      alias,
      ...this.#linkOf(asked),
      judgeAsFirst: () => undefined,
    });
    return outcome.answer === 'made' ? outcome : 'taken';
  }

  /** The link as it is now: its owner may have changed it, or others have followed it. */
  async #answerFound(link: MadeLink, asked: ParsedRequest): Promise<RepeatableAnswer> {
    if (asked.isWhole !== true) return { head: FOUND, result: 'found', ...this.#format(link, asked) };
    const clicks = await this.#options.own.clicksOf([link]);
    const shortUrl = this.#shortUrlOf(link.key);
    return {
      head: FOUND,
      result: 'found',
      shortUrl,
      body: formatFoundLink(link, shortUrl, clicks.get(link.key) ?? NO_CLICKS),
    };
  }

  #format(link: LinkRow | OwnedRow, { isWhole }: ParsedRequest): Pick<RepeatableAnswer, 'shortUrl' | 'body'> {
    const shortUrl = this.#shortUrlOf(link.key);
    return { shortUrl, body: formatNewLink(link, shortUrl, isWhole === true) };
  }

  /** A password is hashed only for a link that is bound. The answer tells no more than that there is one. */
  #linkOf(asked: ParsedRequest): Pick<ReservedRequest, 'link' | 'linkToBind'> {
    if (asked.password === undefined) return { link: toUnbound(asked) };
    const { own } = asked;
    return {
      link: toUnbound({ ...asked, own: { ...own, rules: { ...own.rules, passwordHash: '' } } }),
      linkToBind: async () => toUnbound(await this.#options.prepare(asked)),
    };
  }

  #shortUrlOf(key: string): string {
    return `${this.#options.publicUrl}/${key}`;
  }

  #parse({ fields, userId }: RepeatedRequest): ParsedRequest {
    return this.#parseAny(fields, userId ?? null);
  }
}

function toUnbound({
  longUrl,
  expiresAt,
  own,
}: Pick<ParsedRequest, 'longUrl' | 'expiresAt' | 'own'>): UnboundLink {
  return own === undefined ? { longUrl, expiresAt, userId: null } : { longUrl, expiresAt, ...own };
}

/** @returns undefined: another link has the alias */
function toReserved(found: FoundOrMade): ReservedLink | undefined {
  if (found === 'taken') return undefined;
  const { key, requestId, createdAt } = 'found' in found ? found.found : found.row;
  const isNew = 'row' in found && found.isFirst;
  return { key, requestId, createdAt, ...(!isNew && { isFound: true }) };
}

function keyReused(): Problem {
  return new Problem('idempotency-key-reused', {
    errors: [{ field: 'Idempotency-Key', reason: 'was sent with another body before' }],
  });
}
