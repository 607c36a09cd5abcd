import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FollowingConfig } from '../runtime/config/following.ts';
import { monotonicMs } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import type { AccountsApi } from './accounts.ts';
import type { BulkTools } from './bulk/tools.ts';
import type { LinkCache } from './cache/link-cache.ts';
import type { Clicks } from './clicks/clicks.ts';
import { Follow } from './following/follow.ts';
import type { Gates } from './following/gates.ts';
import { createFindCountry } from './following/visitor.ts';
import { RequestIds } from './http/request-id.ts';
import type { JobTools } from './import-jobs/job.ts';
import type { Limits } from './limits/limits.ts';
import type { WatchedDomains } from './limits/watch-blocked-domains.ts';
import type { OwnLinks } from './links/own-links.ts';
import type { LiveClicks } from './live/live-clicks.ts';
import type { MapperMetrics } from './metrics.ts';
import type { MapperImages } from './open-images.ts';
import type { Orphans } from './orphans/orphans.ts';
import type { LinkFinder } from './redirect/link-finder.ts';
import { RedirectTally } from './redirect/redirect-tally.ts';
import { Refusals } from './redirect/refusals.ts';
import { Repeats } from './repeats/repeats.ts';
import type { Reservations } from './reservations/reservations.ts';
import type { FastShortenOptions } from './shorten/fast-shorten.ts';
import type { AnswerRepeatable } from './shorten/repeatable.ts';
import { ShortenTally } from './shorten/shorten-answer.ts';
import { createOwnBodyReader } from './shorten/shorten-body.ts';
import { createPreparer, createShortenRequestParser, type HashPassword } from './shorten/shorten-request.ts';
import type { Shortener } from './shorten/shortener.ts';
import type { TargetRules } from './shorten/target-url.ts';
import type { Statistics } from './statistics/statistics.ts';
import type { Webhooks } from './webhooks/webhooks.ts';

export interface HandlerOptions {
  readonly shortener: Shortener;
  readonly finder: LinkFinder;
  readonly clicks: Clicks;
  readonly orphans: Orphans;
  readonly ownLinks: OwnLinks;
  readonly live: LiveClicks;
  readonly reservations: Reservations;
  readonly bulk: BulkTools;
  readonly statistics: Statistics;
  readonly imports: JobTools;
  /** Undefined: there are no images. */
  readonly images: MapperImages | undefined;
  readonly webhooks: Webhooks;
  readonly cache: LinkCache;
  /** Origins whose pages may use the API; `*`: all. */
  readonly corsOrigins: readonly string[];
  readonly accounts: {
    readonly linkPasswords: { readonly hash: HashPassword };
    /** What the API of accounts and every other part of it asks. */
    readonly api: AccountsApi;
    /** Whether there are accounts. */
    readonly hasUsers: boolean;
    /** The user who makes a link with this request. @throws Problem 401, 403, 429, 503 */
    ownerOf(request: IncomingMessage, response: ServerResponse): Promise<bigint | undefined>;
    /** See {@link FastShortenOptions.ownerOfKey}. */
    readonly ownerOfKey: FastShortenOptions['ownerOfKey'];
  };
  /** Whether people may make accounts. */
  readonly isSignupOpen: boolean;
  readonly limits: Limits;
  /** Origin of short links, without a slash at the end. */
  readonly publicUrl: string;
  /** Shared by all mappers of a cluster. */
  readonly secret: string;
  /** Which targets a link may have. */
  readonly targets: TargetRules;
  /** What followers of links are told, besides the links. */
  readonly following: FollowingConfig;
  /** The country of an address; undefined: not known. */
  readonly countryAt: (address: string) => string | undefined;
  /** Asked before links with a password or a number of visits are followed. */
  readonly gates?: Gates | undefined;
  /** The domains to which no link may point. */
  readonly domains: WatchedDomains;
  /** Whether there may be a link with this code of another shortener. */
  readonly isForeignKnown: (key: string) => boolean;
  /** What only some requests need, Koa and the API, is loaded when the first of them comes. */
  readonly savesMemory: boolean;
  /** False: Koa answers everything, with the same bytes, but slower. Tests compare the two. */
  readonly hasFastPaths: boolean;
  readonly metrics: MapperMetrics;
  readonly log: Log;
}

/** What the fast paths and Koa share. */
export type HandlerParts = ReturnType<typeof createParts>;

export function createParts(options: HandlerOptions) {
  const { shortener, finder, clicks, orphans, accounts, publicUrl, metrics, log } = options;
  const { targets, reservations, secret, statistics, ownLinks: own } = options;
  const parse = createShortenRequestParser(targets, Date.now);
  const hashPassword: HashPassword = async (password, ownerId) =>
    accounts.linkPasswords.hash(password, ownerId);
  const prepare = createPreparer(hashPassword);
  const repeats = new Repeats({ reservations, own, targets, prepare, publicUrl, secret });
  const answerRepeatable: AnswerRepeatable = async (request) => repeats.answer(request);
  const refusals = new Refusals(options.following.notFoundUrl);
  return {
    parse,
    hashPassword,
    readOwn: createOwnBodyReader(parse, targets),
    repeats,
    shared: {
      publicUrl,
      statistics,
      finder,
      redirects: new RedirectTally(metrics, clicks, orphans),
      refusals,
      visits: createFollow(options, refusals),
      requestIds: new RequestIds(),
      log,
      shortener,
      prepare,
      shortens: new ShortenTally(metrics),
      answerRepeatable,
    },
  };
}

/** A longer `Location` is refused by many proxies. An operator who allows longer targets has set them up. */
const MAX_LOCATION_BYTES = 4_096;

function createFollow(options: HandlerOptions, refusals: Refusals): Follow {
  const { following, gates, limits, publicUrl, targets, countryAt } = options;
  const { countryHeader } = following;
  return new Follow({
    refusals,
    gates,
    images: options.images?.views.pages,
    findCountry: createFindCountry({
      header: countryHeader?.toLowerCase(),
      isProxy: (peer) => limits.peerOf(peer).isProxy,
      countryOf: (request) => {
        const address = limits.addressOf(limits.peerOf(request.peer), request.header('x-forwarded-for'));
        return address === undefined ? undefined : countryAt(address);
      },
    }),
    countryHeader,
    publicUrl,
    maxLocationBytes: Math.max(MAX_LOCATION_BYTES, targets.maxBytes),
    nowMs: Date.now,
    now: monotonicMs,
  });
}
