import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Router, RouterContext } from '@koa/router';
import { hasKeyShape } from '../../db/keyspace/alias.ts';
import { isReserved } from '../../db/keyspace/reserved.ts';
import { decodeBytes } from '../../db/keyspace/typed-key.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import type { CacheEntry } from '../cache/link-cache.ts';
import { isMiss, setPrepared, type PreparedAnswer } from '../http/plain-answer.ts';
import { prepareFor, wantsPage } from '../http/problem-page.ts';
import { Problem } from '../http/problem.ts';
import { factsOf, type RequestFacts } from '../http/request-facts.ts';
import { isForm, readForm } from '../http/read-json.ts';
import { requestIdOf } from '../http/request-id.ts';
import type { FoundLink, LinkFinder } from './link-finder.ts';
import { findNamedLink, type NamedLink } from './named-link.ts';
import { FOUND, judge, locationOf, lookUpFailure, refusalOf } from './redirect-answer.ts';
import { isPrefetch } from './prefetch.ts';
import type { RedirectTally } from './redirect-tally.ts';
import type { Refusals } from './refusals.ts';
import type { Visit, VisitAnswer, Visits } from './visit.ts';

export interface RedirectRouteOptions {
  readonly finder: LinkFinder;
  readonly redirects: RedirectTally;
  readonly refusals: Refusals;
  /** Answers for links with rules, and for previews. */
  readonly visits: Visits;
  /** Whether there may be a link with this code of another shortener. */
  readonly isForeignKnown: (key: string) => boolean;
  /** Clients who ask for many links that do not exist. */
  readonly limits: FollowLimits;
}

interface FollowLimits {
  /** Called before anything is looked up. @throws Problem 429 */
  admit(request: IncomingMessage, response: ServerResponse): void;
  /** There is no link of this name. */
  missed(request: IncomingMessage): void;
}

/** A password of 1,024 bytes, all of them percent-encoded, and some more. */
const MAX_FORM_BYTES = 4 * 1_024;

/** A path that `/:key` does not match, because it contains another slash. */
const WITH_SLASH = /^\/[^/]+\//;

/**
 * `GET` and `HEAD /{unique_id}`: follows a link, also one that was typed with the text around it, and shows
 * where it leads for `/{unique_id}+`. `FastRedirect` answers usual requests before they reach this route.
 */
export function addRedirectRoute(router: Router, options: RedirectRouteOptions): void {
  const nameOf = (ctx: RouterContext): NamedLink => findNamedLink(ctx.path, options.isForeignKnown);
  router.get('/:key', async (ctx) => forPeople(ctx, async () => follow(ctx, nameOf(ctx), options)));
  router.all('/:key', async (ctx) => open(ctx, nameOf(ctx), options));
  router.get(WITH_SLASH, async (ctx, next) => {
    const named = nameOf(ctx);
    const isOurs = named.keys.length > 0 || isForPeople(ctx);
    return isOurs ? forPeople(ctx, async () => follow(ctx, named, options)) : next();
  });
  router.all(WITH_SLASH, async (ctx, next) => {
    const named = nameOf(ctx);
    return named.keys.length === 0 ? next() : open(ctx, named, options);
  });
}

/** Whether a browser asks for a path of which no program of ours knows anything. */
function isForPeople(ctx: RouterContext): boolean {
  const [, first = ''] = decodeBytes(ctx.path).split('/');
  return !isReserved(first) && wantsPage(ctx.get('Accept'));
}

/** Problems become pages for those who want one. */
async function forPeople(ctx: RouterContext, answer: () => Promise<void>): Promise<void> {
  try {
    await answer();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    setPrepared(ctx, prepareFor(factsOf(ctx.req), error));
  }
}

/**
 * Any other method: `POST /{unique_id}` with the form of a link that has a password. All other links can only
 * be followed.
 */
async function open(ctx: RouterContext, named: NamedLink, options: RedirectRouteOptions): Promise<void> {
  const hasForm = ctx.method === 'POST' && isForm(ctx.get('Content-Type'));
  await forPeople(ctx, async () => {
    const form = await findForm(ctx, named, options).catch((error: unknown) => {
      if (hasForm) throw error;
      return 'none' as const;
    });
    if (form === 'no-link' && isNoLink(ctx, named)) throw new Problem('not-found');
    if (form !== 'there') refuseMethod(named, 'GET, HEAD');
    if (ctx.method !== 'POST') refuseMethod(named, 'GET, HEAD, POST');
    if (!hasForm) throw new Problem('not-form');
    const { password = '' } = await readForm(ctx.req, ctx.res, MAX_FORM_BYTES);
    await follow(ctx, named, options, password);
  });
}

/** The form of a link that has a password. Before it is valid, nobody is told that there is a link. */
async function findForm(
  ctx: RouterContext,
  named: NamedLink,
  options: RedirectRouteOptions,
): Promise<'there' | 'none' | 'no-link'> {
  if (named.keys.length === 0 || named.isPreview) return 'none';
  admit(ctx, options);
  const { entry } = await find(named, options);
  if (entry === 'unknown') {
    options.limits.missed(ctx.req);
    return 'no-link';
  }
  const { passwordHash, validFrom = '' } = entry.rules ?? {};
  return passwordHash !== undefined && !(Date.parse(validFrom) > Date.now()) ? 'there' : 'none';
}

/**
 * Whether a program asks for a path with several segments of which no key is a part. Codes of other
 * shorteners may be such paths; where there is no such link, it is answered like any path that nobody serves.
 */
function isNoLink(ctx: RouterContext, { keys }: NamedLink): boolean {
  return !keys.some(hasKeyShape) && WITH_SLASH.test(ctx.path) && !isForPeople(ctx);
}

function admit(ctx: RouterContext, { limits, redirects }: RedirectRouteOptions): void {
  try {
    limits.admit(ctx.req, ctx.res);
  } catch (error) {
    redirects.limited();
    throw error;
  }
}

async function follow(
  ctx: RouterContext,
  named: NamedLink,
  options: RedirectRouteOptions,
  typedPassword?: string,
): Promise<void> {
  const { redirects, refusals, limits } = options;
  admit(ctx, options);
  // Do not ask a store for a text that cannot be a key.
  if (named.keys.length === 0) {
    limits.missed(ctx.req);
    setPrepared(ctx, refusals.of('unknown', factsOf(ctx.req)));
    return;
  }
  const startedMs = monotonicMs();
  let isPage = false;
  try {
    const { key, entry, source } = await find(named, options);
    if (entry === 'unknown' && isNoLink(ctx, named)) {
      limits.missed(ctx.req);
      redirects.answered(key, undefined, 'unknown', source);
      throw new Problem('not-found');
    }
    const request = factsOf(ctx.req);
    const asked = { key, entry, isPreview: named.isPreview, typedPassword };
    const { result, answer } = await judgeFor(request, asked, options);
    isPage = result === 'shown';
    const isFollowing = ctx.method !== 'HEAD' && !isPrefetch((name) => request.header(name));
    redirects.answered(key, isFollowing ? request : undefined, result, source);
    if (answer === undefined) FOUND.setOn(ctx, undefined, requestIdOf(ctx), locationOf(entry));
    else {
      if (isMiss(answer)) limits.missed(ctx.req);
      setPrepared(ctx, answer);
    }
  } finally {
    // The page of an image waits for its title, which no redirect does.
    if (!isPage) redirects.took(startedMs);
  }
}

/** @returns no answer for a plain link that is followed */
async function judgeFor(
  request: RequestFacts,
  {
    key,
    entry,
    isPreview,
    typedPassword,
  }: Pick<Visit, 'key' | 'isPreview' | 'typedPassword'> & { entry: CacheEntry },
  { visits, refusals, redirects }: RedirectRouteOptions,
): Promise<Pick<VisitAnswer, 'result'> & { answer?: PreparedAnswer }> {
  if (entry !== 'unknown' && (isPreview || entry.rules !== undefined)) {
    try {
      return await visits.answer({ key, link: entry, isPreview, request, typedPassword });
    } catch (error) {
      redirects.failed(error);
      throw lookUpFailure(error);
    }
  }
  const result = judge(entry, Date.now);
  return result === 'found' ? { result } : { result, answer: refusals.of(result, request) };
}

function refuseMethod({ keys }: NamedLink, allowed: string): never {
  if (keys.length === 0) throw refusalOf('unknown');
  throw new Problem('method-not-allowed', {
    detail: 'A link can only be followed.',
    headers: { Allow: allowed },
  });
}

/** The first of the keys that has a link, or the last one without. */
async function find(
  { keys }: NamedLink,
  { finder, redirects }: RedirectRouteOptions,
): Promise<FoundLink & { readonly key: string }> {
  try {
    for (const key of keys.slice(0, -1)) {
      const found = await finder.find(key);
      if (found.entry !== 'unknown') return { key, ...found };
    }
    const key = keys.at(-1) ?? '';
    return { key, ...(await finder.find(key)) };
  } catch (error) {
    redirects.failed(error);
    throw lookUpFailure(error);
  }
}
