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
  formatNewLink,
  formatWholeLink,
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
import { toWholeLink, type WholeLink } from '../shorten/whole-link.ts';
import { comparableFields, fieldsOfOwner, withoutNulls } from './comparable-fields.ts';
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

/** The link of a request that asks for the one that there may be. */
type FoundOrMade =
  | { readonly found: MadeLink }
  /** Made now (`isFirst`), or for an earlier request. */
  | { readonly row: LinkRow | OwnedRow; readonly isFirst: boolean }
  | 'taken';

/** The link that answers a request. */
export interface RepeatedLink {
  readonly status: 200 | 201;
  readonly row: LinkRow | OwnedRow;
  /** Of an own link that was found: all of it, as it is now. */
  readonly now?: WholeLink;
  readonly isReplayed: boolean;
}

interface Settled extends RepeatedLink {
  /** Whether the answer is the whole link. */
  readonly isWhole: boolean;
}

const DAY_S = 86_400;
/**
 * On a machine that is never idle, the hash of a password takes most of it. Our haproxy gives 15 s to an
 * answer.
 */
const WITH_PASSWORD_MS = 14_000;

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
  async answer(request: RepeatableRequest): Promise<RepeatableAnswer> {
    const { status, row, now, isReplayed, isWhole } = await this.#settle(request);
    const shortUrl = this.#shortUrlOf(row.key);
    const body = now === undefined ? formatNewLink(row, shortUrl, isWhole) : formatWholeLink(now);
    const [head, headBefore] = status === 201 ? [CREATED, CREATED_BEFORE] : [FOUND, FOUND_BEFORE];
    const result = status === 201 ? 'created' : 'found';
    return isReplayed
      ? { head: headBefore, shortUrl, body, result: 'replayed' }
      : { head, shortUrl, body, result };
  }

  /** Answers an item of a bulk. @throws Problem */
  async makeItem(request: RepeatableRequest): Promise<RepeatedLink> {
    const { isWhole: _, ...link } = await this.#settle(request);
    return link;
  }

  async #settle(request: RepeatableRequest): Promise<Settled> {
    const { idempotencyKey } = request;
    try {
      return idempotencyKey === undefined
        ? await this.#find(request)
        : await this.#repeat(request, idempotencyKey);
    } catch (error) {
      throw toProblem(error);
    }
  }

  async #find(request: RepeatableRequest): Promise<Settled> {
    const asked = this.#parse(request);
    const isWhole = asked.isWhole === true;
    const made = await this.#findOrMake(request, asked);
    if (made === 'taken') throw aliasTaken(asked.alias ?? '');
    if ('row' in made) return { status: made.isFirst ? 201 : 200, row: made.row, isReplayed: false, isWhole };
    const row = made.found;
    // As it is now: its owner may have changed it, or others have followed it.
    const clicks = await this.#options.own.clicksOf([row]);
    const now = toWholeLink(row, this.#shortUrlOf(row.key), clicks.get(row.key) ?? NO_CLICKS);
    return { status: 200, row, now, isReplayed: false, isWhole };
  }

  async #repeat(request: RepeatableRequest, idempotencyKey: string): Promise<Settled> {
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
    const isReplayed = !outcome.isFirst;
    if (outcome.answer === 'taken') throw aliasTaken(asked.alias ?? '', isReplayed ? REPLAYED : {});
    const { row, isFound } = outcome;
    return { status: isFound ? 200 : 201, row, isReplayed, isWhole: asked.isWhole === true };
  }

  async #findOrMake(request: RepeatableRequest, asked: ParsedRequest): Promise<FoundOrMade> {
    const { fields, userId } = request;
    const { reservations, own, secret } = this.#options;
    const { alias, longUrl, expiresAt } = asked;
    // Whether the password of a link is the same, only its reservation tells.
    if (userId !== undefined && asked.password === undefined) {
      const fields = { ...ownedBy(userId), ...asked.own, userId };
      const found = await own.findAlike({ ...fields, alias, longUrl, expiresAt });
      if (found !== undefined) return { found };
    }
    const compared =
      userId === undefined ? withoutNulls(comparableFields(fields, secret)) : fieldsOfOwner(asked, secret);
    const outcome = await reservations.make({
      ...dedupeIdentity(userId ?? null, compared, longUrl),
      kind: 'dedupe',
      keeping: { until: expiresAt },
      alias,
      ...this.#linkOf(asked),
      // A link that has expired since the request came: so has the one that is asked for.
      judgeAsFirst: () => this.#parse(request),
    });
    return outcome.answer === 'made' ? outcome : 'taken';
  }

  /** A password is hashed only for a link that is bound. The answer tells no more than that there is one. */
  #linkOf(asked: ParsedRequest): Pick<ReservedRequest, 'link' | 'linkToBind' | 'timeoutMs'> {
    if (asked.password === undefined) return { link: toUnbound(asked) };
    const { own } = asked;
    return {
      link: toUnbound({ ...asked, own: { ...own, rules: { ...own.rules, passwordHash: '' } } }),
      linkToBind: async () => toUnbound(await this.#options.prepare(asked)),
      timeoutMs: WITH_PASSWORD_MS,
    };
  }

  #shortUrlOf(key: string): string {
    return `${this.#options.publicUrl}/${key}`;
  }

  #parse({ fields, userId }: RepeatableRequest): ParsedRequest {
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
