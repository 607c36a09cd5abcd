import type { ListQuestion } from '../../db/own-links/list-links.ts';
import type { Identity } from '../auth/identities.ts';
import { isAllowed } from '../auth/scopes.ts';
import { invalidFields, Problem, type FieldError } from '../http/problem.ts';
import { isNamedBy } from '../links/etag.ts';
import type { ManyChanged } from '../links/change-many.ts';
import type { LinkPatch } from '../links/judge-change.ts';
import type { Caller } from '../links/access.ts';
import type { OwnLinks } from '../links/own-links.ts';
import type { HashPassword } from '../shorten/shorten-request.ts';
import type { TargetRules } from '../shorten/target-url.ts';
import type { WholeLink } from '../shorten/whole-link.ts';
import { LinkAnswers, type AnsweredLink } from './link-answers.ts';
import { faultsOfTargets, judgeTargets, type GivenPatch } from './link-patch.ts';
import { ask, badCursor, requireKey, settle, unknownLink } from './link-problems.ts';

export interface LinkServiceOptions {
  readonly own: OwnLinks;
  readonly targets: TargetRules;
  /** Hashes the password of a link. @throws Problem 503 when too many wait */
  readonly hashPassword: HashPassword;
  /** Origin of short URLs, without a slash at the end. */
  readonly publicUrl: string;
}

/** A place in a list. */
interface Place {
  readonly cursor?: string | undefined;
  readonly limit: number;
}

interface Page<Item> {
  readonly items: Item[];
  readonly next_cursor: string | null;
}

/**
 * One's own links as the API answers them. Every method may throw a Problem: 404 for a link that does not
 * exist or is another's, always the same one; 503 while a store is away.
 */
export class LinkService {
  readonly #options: LinkServiceOptions;
  readonly #answers: LinkAnswers;

  constructor(options: LinkServiceOptions) {
    this.#options = options;
    this.#answers = new LinkAnswers(options.own, options.publicUrl);
  }

  async get(identity: Identity, key: string): Promise<AnsweredLink> {
    requireKey(key);
    const { own } = this.#options;
    const link = await ask(async () => own.find(callerOf(identity), key));
    if (link === undefined) throw unknownLink();
    return this.#answers.one(link);
  }

  /** @throws Problem 403 blocked, 410 deleted, 412 another state, 422 */
  async change(
    identity: Identity,
    key: string,
    given: GivenPatch,
    ifMatch: string | undefined,
  ): Promise<AnsweredLink> {
    requireKey(key);
    const { own, targets } = this.#options;
    const judged = judgeTargets(given, targets);
    const caller = callerOf(identity);
    // A hash is much work: not for a link that he may not change.
    if (typeof judged.password === 'string' && (await ask(async () => own.find(caller, key))) === undefined)
      throw unknownLink();
    const patch = await this.hashed(judged, identity.userId);
    const { link, announced } = await settle(async () => own.change(caller, key, patch, ifMatch));
    return this.#answers.changed(link, announced);
  }

  /** What is wrong with the targets in the body of a change. */
  faultsOf(body: unknown): FieldError[] {
    return faultsOfTargets(body, this.#options.targets);
  }

  /** The change with the hash of its password. @throws Problem 503 when too many wait */
  async hashed({ password, ...patch }: GivenPatch, ownerId: bigint): Promise<LinkPatch> {
    if (password === undefined) return patch;
    const passwordHash = password === null ? null : await this.#options.hashPassword(password, ownerId);
    return { ...patch, passwordHash };
  }

  /** @returns milliseconds for which some mappers may still follow the link. @throws Problem 412 */
  async remove(identity: Identity, key: string, ifMatch: string | undefined): Promise<number> {
    requireKey(key);
    const { own } = this.#options;
    const { announced } = await settle(async () => own.remove(callerOf(identity), key, ifMatch));
    return announced?.othersMayLagMs ?? 0;
  }

  /** Like {@link remove}. */
  async restore(identity: Identity, key: string, ifMatch: string | undefined): Promise<number> {
    requireKey(key);
    const { own } = this.#options;
    const { announced } = await settle(async () => own.restore(callerOf(identity), key, ifMatch));
    return announced?.othersMayLagMs ?? 0;
  }

  /** @throws Problem 422 for a cursor that is not of this list */
  async list(
    { userId }: Identity,
    { cursor, limit, ...choice }: Omit<ListQuestion, 'userId'> & Place,
  ): Promise<Page<WholeLink>> {
    const { own } = this.#options;
    const page = await ask(async () => own.list({ userId, ...choice }, { cursor, limit }));
    if ('invalid' in page) throw badCursor();
    return { items: await this.#answers.many(page.items), next_cursor: page.nextCursor };
  }

  /** @throws Problem 422 for a cursor that is not of this list */
  async listTags({ userId }: Identity, place: Place): Promise<Page<{ tag: string; links: number }>> {
    const page = await ask(async () => this.#options.own.tagPage(userId, place));
    if ('invalid' in page) throw badCursor();
    return { items: [...page.items], next_cursor: page.nextCursor };
  }

  /** @throws Problem 404 when no link has the tag `from` */
  async renameTag({ userId }: Identity, from: string, to: string): Promise<ManyChanged> {
    if (from === to) throw invalidFields([{ field: 'tag', reason: 'is the name that the tag has already' }]);
    const renamed = await ask(async () => this.#options.own.renameTag(userId, from, to));
    if (renamed.links === 0 && renamed.isDone)
      throw new Problem('not-found', { detail: 'None of your links has this tag.' });
    return renamed;
  }
}

/** Whether `If-None-Match` names the state that the client would get. */
export function isKnownState(ifNoneMatch: string | undefined, etag: string): boolean {
  return ifNoneMatch !== undefined && isNamedBy(ifNoneMatch, etag, true);
}

export function callerOf({ userId, scopes }: Identity): Caller {
  return { userId, isAdmin: isAllowed(scopes, 'admin') };
}
