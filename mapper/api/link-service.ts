import { hasKeyShape } from '../../db/keyspace/alias.ts';
import { OutcomeUnknownError, StoreUnavailableError } from '../../db/store-errors.ts';
import { messageOf } from '../../runtime/errors.ts';
import type { ListQuestion } from '../../db/own-links/list-links.ts';
import type { OwnLink } from '../../db/own-links/own-link.ts';
import type { Identity } from '../auth/identities.ts';
import { isAllowed } from '../auth/scopes.ts';
import { invalidFields, Problem, type FieldError } from '../http/problem.ts';
import { etagOf, isNamedBy } from '../links/etag.ts';
import type { ManyChanged } from '../links/change-many.ts';
import type { LinkPatch } from '../links/judge-change.ts';
import type { Announced, Caller, ChangeResult, OwnLinks, Refusal } from '../links/own-links.ts';
import { parseTargetUrl, type TargetRules } from '../shorten/target-url.ts';
import { toWholeLink, type WholeLink } from '../shorten/whole-link.ts';

export interface LinkServiceOptions {
  readonly own: OwnLinks;
  readonly targets: TargetRules;
  /** Origin of short URLs, without a slash at the end. */
  readonly publicUrl: string;
}

/** A link as it is answered, and its entity tag. */
export interface AnsweredLink {
  readonly body: WholeLink & { readonly warnings?: FieldError[] };
  readonly etag: string;
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

  constructor(options: LinkServiceOptions) {
    this.#options = options;
  }

  async get(identity: Identity, key: string): Promise<AnsweredLink> {
    requireKey(key);
    const { own } = this.#options;
    const link = await ask(async () => own.find(callerOf(identity), key));
    if (link === undefined) throw unknownLink();
    return this.#answer(link);
  }

  /** @throws Problem 403 blocked, 410 deleted, 412 another state, 422 */
  async change(
    identity: Identity,
    key: string,
    patch: LinkPatch,
    ifMatch: string | undefined,
  ): Promise<AnsweredLink> {
    requireKey(key);
    const { own, targets } = this.#options;
    const target = patch.longUrl === undefined ? undefined : parseTargetUrl(patch.longUrl, targets);
    if (target?.ok === false) throw invalidFields([{ field: 'long_url', reason: target.reason }]);
    const checked = target === undefined ? patch : { ...patch, longUrl: target.href };
    const { link, announced } = await settle(async () =>
      own.change(callerOf(identity), key, checked, ifMatch),
    );
    const { body, etag } = await this.#answer(link).catch((cause: unknown) => {
      throw new Problem('store-down', { detail: CHANGED_BUT_NOT_READ, cause });
    });
    const lag = lagOf(announced);
    return { body: lag === undefined ? body : { ...body, warnings: [lag] }, etag };
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
    const clicks = await ask(async () => own.clicksOf(page.items));
    const items = page.items.map((link) => this.#toWhole(link, clicks));
    return { items, next_cursor: page.nextCursor };
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

  async #answer(link: OwnLink): Promise<AnsweredLink> {
    const clicks = await ask(async () => this.#options.own.clicksOf([link]));
    return { body: this.#toWhole(link, clicks), etag: etagOf(link) };
  }

  #toWhole(link: OwnLink, clicks: ReadonlyMap<string, number>): WholeLink {
    return toWholeLink(link, `${this.#options.publicUrl}/${link.key}`, clicks.get(link.key) ?? 0);
  }
}

const CHANGED_BUT_NOT_READ =
  'The link is changed. How often it was followed cannot be read just now; read the link again.';

function badCursor(): Problem {
  return invalidFields([{ field: 'cursor', reason: 'is made up, or belongs to another list' }]);
}

/** Whether `If-None-Match` names the state that the client would get. */
export function isKnownState(ifNoneMatch: string | undefined, etag: string): boolean {
  return ifNoneMatch !== undefined && isNamedBy(ifNoneMatch, etag, true);
}

function callerOf({ userId, scopes }: Identity): Caller {
  return { userId, isAdmin: isAllowed(scopes, 'admin') };
}

function requireKey(key: string): void {
  if (!hasKeyShape(key)) throw unknownLink();
}

function unknownLink(): Problem {
  return new Problem('unknown-key');
}

/** The link after a change, or as it was if it is as wanted already. @throws Problem for any other refusal */
async function settle(
  change: () => Promise<ChangeResult>,
): Promise<{ link: OwnLink; announced: Announced | undefined }> {
  const result = await ask(change);
  if ('link' in result) return result;
  const { refusal } = result;
  if (refusal.why === 'unchanged') return { link: refusal.link, announced: result.announced };
  throw problemFor(refusal);
}

function problemFor(refusal: Exclude<Refusal, { why: 'unchanged' }>): Problem {
  const { why } = refusal;
  if (why === 'unknown') return unknownLink();
  if (why === 'stale') return new Problem('changed-meanwhile', { headers: { ETag: refusal.etag } });
  if (why === 'deleted')
    return new Problem('link-deleted', { detail: 'This link was deleted. Restore it first.' });
  if (why === 'blocked')
    return new Problem('change-blocked', {
      detail: `An administrator has blocked this link: ${refusal.reason}`,
    });
  return invalidFields([{ field: 'tags', reason: 'must be empty for a link without an owner' }]);
}

/** What is said when some mappers have not heard of a change. */
function lagOf(announced: Announced | undefined): FieldError | undefined {
  if (announced === undefined || announced.isHeardByAll) return undefined;
  const seconds = Math.ceil(announced.othersMayLagMs / 1_000);
  return { field: '', reason: `some servers may redirect by the old state for up to ${seconds} s` };
}

/** @throws Problem 503 that names the store */
async function ask<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof StoreUnavailableError)
      throw new Problem('store-down', { detail: storeOf(error), cause: error });
    if (error instanceof OutcomeUnknownError)
      throw new Problem('store-down', {
        detail: 'A store did not confirm the change. Read the link to see whether it has happened.',
        cause: error,
      });
    throw error;
  }
}

/** Its name, without the reasons of the driver. */
function storeOf(error: StoreUnavailableError): string {
  const [name = ''] = messageOf(error).split(' is unavailable: ');
  return `${name} cannot be reached just now.`;
}
