import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Router, RouterContext } from '@koa/router';
import { DamagedBlobError } from '../../db/blobs/blob-errors.ts';
import { StoreUnavailableError } from '../../db/store-errors.ts';
import { UnknownRulesError } from '../../db/urls/link-rules.ts';
import type { ImageFacts } from '../../db/urls/image-facts.ts';
import type { Log } from '../../runtime/log.ts';
import type { CachedLink, CacheEntry } from '../cache/link-cache.ts';
import type { Clicks } from '../clicks/clicks.ts';
import { ClientGoneError } from '../http/paced-writer.ts';
import { setPrepared, type PreparedAnswer } from '../http/plain-answer.ts';
import { prepareFor } from '../http/problem-page.ts';
import { invalidFields, Problem } from '../http/problem.ts';
import { factsOf, headerOf, type RequestFacts } from '../http/request-facts.ts';
import { requestIdOf } from '../http/request-id.ts';
import { whenItsTurn } from '../http/send-stream.ts';
import { THUMBNAIL_SIZES, type ThumbnailSize } from '../pictures/decoder.ts';
import { isPrefetch } from '../redirect/prefetch.ts';
import { lookUpFailure, whyRefused, type Refusal } from '../redirect/redirect-answer.ts';
import { allowsPart, judgeConditions, type HeaderOf } from './conditions.ts';
import { answerOf, headersOf, validatorsOf, type Answer } from './image-headers.ts';
import { hasExtension, parseImagePath, type ImageName } from './image-name.ts';
import type { ImageResult, ImageTally } from './image-tally.ts';
import { KnownDamageError } from './known-damage.ts';
import type { Pictures } from './pictures.ts';
import { requireClient, requireReader, sendLease, sendPictureStream } from './send-picture.ts';
import type { Thumbnails } from './thumbnails.ts';

/** Where pictures are read. */
export interface ImageViews {
  readonly pictures: Pictures;
  readonly thumbnails: Pick<Thumbnails, 'open'>;
  /** How long browsers and caches may keep a picture, in seconds. */
  readonly maxAgeS: number;
}

export interface ImageRouteOptions {
  /** Undefined: there are no images. */
  readonly views: ImageViews | undefined;
  readonly finder: { find(key: string): Promise<{ readonly entry: CacheEntry }> };
  readonly clicks: Clicks;
  readonly tally: Pick<ImageTally, 'answered' | 'cutOff'>;
  readonly refusals: { of(why: Refusal, request: RequestFacts): PreparedAnswer };
  /** Clients who ask for many images that do not exist. */
  readonly limits: {
    /** Called before anything is looked up. @throws Problem 429 */
    admit(request: IncomingMessage, response: ServerResponse): void;
    /** There is no image of this name. */
    missed(request: IncomingMessage): void;
    /** Who asks, also where nothing else is limited. Undefined: that is not known. */
    addressOf(request: IncomingMessage): string | undefined;
  };
  /** Milliseconds since 1970. */
  readonly nowMs: () => number;
  readonly log: Log;
}

/**
 * `GET` and `HEAD /images/{key}[.ext]`: the bytes of a picture, or a thumbnail of it. The link is looked up
 * at each request, in memory mostly, so a picture is gone when its link is.
 */
export function addImageRoutes(router: Router, options: ImageRouteOptions): void {
  const route = new ImageRoute(options);
  router.get('/images/:name', async (ctx) => route.answer(ctx));
  router.all('/images/:name', () => {
    throw new Problem('method-not-allowed', { headers: { Allow: 'GET, HEAD, DELETE' } });
  });
}

interface FoundImage {
  readonly key: string;
  readonly link: CachedLink;
  readonly image: ImageFacts;
}

class ImageRoute {
  readonly #options: ImageRouteOptions;

  constructor(options: ImageRouteOptions) {
    this.#options = options;
  }

  async answer(ctx: RouterContext): Promise<void> {
    const { views, limits } = this.#options;
    try {
      if (views === undefined) throw new Problem('no-images');
      limits.admit(ctx.req, ctx.res);
      // Nothing is looked up, read or held for an answer that waits behind others of its connection.
      await whenItsTurn(ctx.res);
      requireClient(ctx);
      const size = readSize(ctx.query);
      const name = parseImagePath(ctx.path);
      const found = name === undefined ? 'unknown' : await this.#find(name);
      if (typeof found === 'string') this.#refuseLink(ctx, found);
      else await this.#showFound(ctx, views, { ...found, size });
    } catch (error) {
      if (error instanceof ClientGoneError || ctx.res.headersSent) this.#reportCut(ctx, error);
      else this.#fail(ctx, error);
    }
  }

  /** The image of this name, or why nobody gets it. */
  async #find({ key, extension }: ImageName): Promise<FoundImage | Refusal> {
    const { finder, nowMs } = this.#options;
    const { entry } = await finder.find(key);
    if (entry === 'unknown') return 'unknown';
    const why = whyRefused(entry, nowMs());
    if (why !== undefined) return why;
    const { image, passwordHash, maxVisits } = entry.rules ?? {};
    if (image === undefined || !hasExtension(image.type, extension)) return 'unknown';
    // No program of ours writes them. What they ask for is not asked here, so nobody gets the picture.
    if (passwordHash !== undefined || maxVisits !== undefined) throw new UnknownRulesError(key);
    return { key, link: entry, image };
  }

  async #showFound(ctx: RouterContext, views: ImageViews, wanted: WantedImage): Promise<void> {
    try {
      await this.#show(ctx, views, wanted);
    } catch (error) {
      if (!(error instanceof DamagedBlobError) || ctx.res.headersSent) throw error;
      // The blobs of an image go when its link is deleted, which may have been a moment ago.
      const again = await this.#find({ key: wanted.key, extension: '' });
      if (typeof again !== 'string') throw error;
      this.#refuseLink(ctx, again);
    }
  }

  async #show(ctx: RouterContext, views: ImageViews, wanted: WantedImage): Promise<void> {
    const { nowMs, tally } = this.#options;
    const shown = { ...wanted, maxAgeS: views.maxAgeS, nowMs: nowMs() };
    const validators = validatorsOf(shown);
    const header: HeaderOf = (name) => headerOf(ctx.req, name);
    const judged = judgeConditions(header, validators);
    if (judged === 'failed') throw new Problem('changed-meanwhile', { detail: NOT_AS_NAMED });
    const headers = headersOf(shown, validators);
    if (judged === 'not-modified') {
      tally.answered('not-modified');
      ctx.status = 304;
      ctx.set(headers);
      return;
    }
    // It is defined for GET only (RFC 9110, 14.2).
    const isPart = ctx.method === 'GET' && allowsPart(header('if-range'), validators);
    const range = isPart ? header('range') : undefined;
    const { size } = wanted;
    if (size === undefined) await this.#showPicture(ctx, views, { ...wanted, headers, range });
    else await this.#showThumbnail(ctx, views, { ...wanted, size, headers, range });
  }

  async #showPicture(
    ctx: RouterContext,
    { pictures }: ImageViews,
    { key, image, headers, range }: WantedImage & Said,
  ): Promise<void> {
    const { tally, limits } = this.#options;
    const answer = answerOf(image, range);
    if (ctx.method === 'HEAD') {
      // All that it says is known without the bytes.
      begin(ctx, answer, headers);
      tally.answered('found');
      ctx.respond = false;
      ctx.res.end();
      return;
    }
    const opened = await pictures.open(key, image, answer.part, limits.addressOf(ctx.req));
    await requireReader(ctx, opened);
    begin(ctx, answer, headers);
    tally.answered('found', opened.source);
    this.#countClick(ctx, key, answer);
    if ('lease' in opened) sendLease(ctx, opened.lease, answer.part);
    else await sendPictureStream(ctx, opened);
  }

  async #showThumbnail(
    ctx: RouterContext,
    { thumbnails }: ImageViews,
    { key, image, size, headers, range }: WantedImage & Said & { readonly size: ThumbnailSize },
  ): Promise<void> {
    const { source, lease } = await thumbnails.open(
      { key, image, size },
      this.#options.limits.addressOf(ctx.req),
    );
    try {
      requireClient(ctx);
      const answer = answerOf({ type: 'webp', bytes: lease.bytes.length }, range);
      begin(ctx, answer, headers);
      this.#options.tally.answered('found', source);
      sendLease(ctx, lease, answer.part);
    } catch (error) {
      lease.release();
      throw error;
    }
  }

  /** A picture that is delivered from its first byte on is a click. The rest of it is none. */
  #countClick(ctx: RouterContext, key: string, { part }: Answer): void {
    const request = factsOf(ctx.req);
    if (part !== undefined && part.first > 0) return;
    if (!isPrefetch((name) => request.header(name))) this.#options.clicks.count(key, request);
  }

  #refuseLink(ctx: RouterContext, why: Refusal): void {
    const { tally, refusals, limits } = this.#options;
    tally.answered(why);
    if (why === 'unknown') limits.missed(ctx.req);
    setRefusal(ctx, refusals.of(why, factsOf(ctx.req)));
  }

  /** @throws an error that is our fault */
  #fail(ctx: RouterContext, error: unknown): void {
    const { tally, log } = this.#options;
    const problem = problemFor(error);
    tally.answered(resultOf(error, problem));
    if (error instanceof DamagedBlobError && !(error instanceof KnownDamageError))
      log.error({ error, requestId: requestIdOf(ctx), path: ctx.path }, 'a picture is damaged');
    if (problem === undefined) throw error;
    setRefusal(ctx, prepareFor(factsOf(ctx.req), problem));
  }

  /** The client sees a connection that was cut, and knows that it has not got all. */
  #reportCut(ctx: RouterContext, error: unknown): void {
    const { tally, log } = this.#options;
    // Koa has nothing to add.
    ctx.respond = false;
    const about = { error, requestId: requestIdOf(ctx), path: ctx.path };
    if (error instanceof ClientGoneError || error instanceof Problem) {
      log.debug(about, 'picture cut off');
      return;
    }
    tally.cutOff();
    log.error(about, error instanceof DamagedBlobError ? 'a picture is damaged' : 'picture cut off');
  }
}

interface WantedImage extends FoundImage {
  /** Undefined: the picture itself. */
  readonly size: ThumbnailSize | undefined;
}

/** What is said with the bytes, and which of them are asked for. */
interface Said {
  readonly headers: Readonly<Record<string, string>>;
  /** The header, if it applies. */
  readonly range: string | undefined;
}

const NOT_AS_NAMED = 'The picture is not the one that the conditions of the request name.';

function begin(ctx: RouterContext, { status, headers }: Answer, common: Said['headers']): void {
  ctx.status = status;
  ctx.set({ ...common, ...headers });
}

/** The next request may be answered differently, and browsers get pages. */
function setRefusal(ctx: RouterContext, prepared: PreparedAnswer): void {
  setPrepared(ctx, prepared);
  ctx.set('Cache-Control', 'no-store');
  ctx.vary('Accept');
}

type Query = Readonly<Record<string, string | string[] | undefined>>;

/** @throws Problem 422 for any other size, and for other parameters */
function readSize(query: Query): ThumbnailSize | undefined {
  const [unknown] = Object.keys(query).filter((field) => field !== 'size');
  if (unknown !== undefined) throw invalidFields([{ field: unknown, reason: 'unknown parameter' }]);
  const { size: text } = query;
  if (text === undefined) return undefined;
  if (typeof text !== 'string') throw invalidFields([{ field: 'size', reason: 'is given more than once' }]);
  const size = THUMBNAIL_SIZES.find((one) => String(one) === text);
  if (size !== undefined) return size;
  throw invalidFields([{ field: 'size', reason: `must be one of ${THUMBNAIL_SIZES.join(', ')}` }]);
}

/** @returns undefined for an error that is our fault */
function problemFor(error: unknown): Problem | undefined {
  if (error instanceof DamagedBlobError)
    return new Problem('store-down', { detail: 'The bytes of this picture are missing or damaged.' });
  if (error instanceof StoreUnavailableError)
    return new Problem('store-down', { detail: 'A store of this picture cannot be reached just now.' });
  const found = lookUpFailure(error);
  return found instanceof Problem ? found : undefined;
}

const RESULTS: Readonly<Record<number, ImageResult>> = {
  404: 'unknown',
  412: 'not-met',
  416: 'not-met',
  422: 'invalid',
  429: 'limited',
  503: 'unavailable',
};

function resultOf(error: unknown, problem: Problem | undefined): ImageResult {
  if (error instanceof DamagedBlobError) return 'damaged';
  return RESULTS[problem?.status ?? 500] ?? 'error';
}
