import type { OwnLink } from '../../db/own-links/own-link.ts';
import type { ScanQuestion } from '../../db/own-links/scan-links.ts';
import type { Log } from '../../runtime/log.ts';
import type { Identity } from '../auth/identities.ts';
import type { Caller } from '../links/access.ts';
import type { OwnLinks } from '../links/own-links.ts';
import type { WholeLink } from '../shorten/whole-link.ts';
import { LinkAnswers, type AnsweredLink } from './link-answers.ts';
import { ask, badCursor, requireKey, settle, unknownLink } from './link-problems.ts';

/** A link as an administrator sees it. */
export interface AdminLink extends WholeLink {
  /** null: it was made without an account, or the account is gone. */
  readonly user_id: string | null;
}

/** Which links an administrator looks for. */
export interface AdminLinkQuestion extends ScanQuestion {
  /** Whose links. Undefined: everybody's and nobody's. */
  readonly userId?: bigint | undefined;
}

export interface AdminLinksOptions {
  readonly own: OwnLinks;
  /** Origin of short URLs, without a slash at the end. */
  readonly publicUrl: string;
  readonly log: Log;
}

/**
 * The links of everybody, as administrators find and block them. Every method may throw a Problem: 404 for a
 * link that does not exist, 503 while a store is away.
 */
export class AdminLinks {
  readonly #own: OwnLinks;
  readonly #answers: LinkAnswers;
  readonly #log: Log;

  constructor({ own, publicUrl, log }: AdminLinksOptions) {
    this.#own = own;
    this.#answers = new LinkAnswers(own, publicUrl);
    this.#log = log;
  }

  async get(identity: Identity, key: string): Promise<AnsweredLink<AdminLink>> {
    requireKey(key);
    const link = await ask(async () => this.#own.find(adminOf(identity), key));
    if (link === undefined) throw unknownLink();
    return toAdminAnswer(link, await this.#answers.one(link));
  }

  /**
   * The links of an owner are listed from the newest to the oldest, those of everybody by their slots and
   * keys.
   * @throws Problem 422 for a cursor that is not of this list
   */
  async list(
    { userId, key, ...choice }: AdminLinkQuestion,
    place: { readonly cursor: string | undefined; readonly limit: number },
  ): Promise<{ readonly items: AdminLink[]; readonly next_cursor: string | null }> {
    const isList = userId !== undefined && key === undefined;
    const page = await ask(async () =>
      isList ? this.#own.list({ userId, ...choice }, place) : this.#own.scan({ key, ...choice }, place),
    );
    if ('invalid' in page) throw badCursor();
    const found =
      userId === undefined ? page.items : page.items.filter(({ userId: owner }) => owner === userId);
    const bodies = await this.#answers.many(found);
    return {
      items: found.flatMap((link, index) => {
        const body = bodies[index];
        return body === undefined ? [] : [toAdminLink(link, body)];
      }),
      next_cursor: page.nextCursor,
    };
  }

  /**
   * Blocks a link, or gives it back the state that it had. Every mapper has heard of it when it is answered,
   * or the answer has a warning.
   * @param reason null: it is blocked no more
   * @throws Problem 412 another state
   */
  async setBlocked(
    identity: Identity,
    key: string,
    { reason, ifMatch }: { readonly reason: string | null; readonly ifMatch: string | undefined },
  ): Promise<AnsweredLink<AdminLink>> {
    requireKey(key);
    const { link, announced } = await settle(async () =>
      this.#own.change(adminOf(identity), key, { blocked: reason }, ifMatch),
    );
    const by = String(identity.userId);
    this.#log.info(
      { key, by, ...(reason !== null && { reason }) },
      reason === null ? 'an administrator has unblocked a link' : 'an administrator has blocked a link',
    );
    return toAdminAnswer(link, await this.#answers.changed(link, announced));
  }
}

/** The scope of the request was checked by its endpoint. */
function adminOf({ userId }: Identity): Caller {
  return { userId, isAdmin: true };
}

function toAdminLink({ userId }: OwnLink, body: WholeLink): AdminLink {
  return { ...body, user_id: userId === null ? null : String(userId) };
}

function toAdminAnswer(link: OwnLink, { body, etag }: AnsweredLink): AnsweredLink<AdminLink> {
  return { body: { ...body, ...toAdminLink(link, body) }, etag };
}
