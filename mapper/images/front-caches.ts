import type { Pool } from 'undici';
import type { PictureType } from '../../db/urls/image-facts.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import { messageOf } from '../../runtime/errors.ts';
import type { Log } from '../../runtime/log.ts';
import { delayFor, pauseQuietly, withDeadline } from '../../runtime/retry.ts';
import { imagePathsOf } from './image-paths.ts';

/** Names the header by which a cache knows a refresh; its value is the token. */
export const REFRESH_HEADER = 'X-Keymill-Refresh';

/** What became of the refresh of one image on one cache. */
export type RefreshOutcome = 'refreshed' | 'given-up';

export interface FrontCachesOptions {
  /** Origins. Empty: there is nothing to refresh. */
  readonly origins: readonly string[];
  readonly token: string;
  /** How long a cache keeps an image by itself. A refresh that is older has nothing left to do. */
  readonly maxAgeS: number;
  readonly log: Log;
  /**
   * Whether people are shown the picture of a key: it may have been shown again since its refresh was asked
   * for. Then nothing is left to do.
   * @throws when nobody can say so: then it is refreshed
   */
  readonly isShown: (key: string) => Promise<boolean>;
  readonly onOutcome: (outcome: RefreshOutcome) => void;
  /** For tests. */
  readonly settleMs?: number;
}

/** Images that wait for one cache. One more is given up: what we hold must be bounded. */
const MAX_WAITING = 10_000;
/** Images that are refreshed on one cache at a time, each with one request. */
const AT_ONCE = 4;
const ATTEMPT_MS = 5_000;
const BACKOFF = { baseMs: 250, maxMs: 10_000 };
/** After so long we give up, even if the cache would keep the image for longer. */
const MAX_GIVE_UP_MS = 600_000;
const MIN_GIVE_UP_MS = 10_000;
/**
 * A cache may have begun to fetch a picture before it was deleted, and stores it after our refresh. So each
 * image is refreshed again when such a fetch has ended.
 */
const SETTLE_MS = 10_000;
/** At the end of the process, for the first refresh of what waits. */
const END_MS = 2_000;
/** Of a cache that is away, one line in this time tells of all images that were given up. */
const LOG_EVERY_MS = 10_000;

/**
 * Tells the caches in front of us that an image is gone: each of its paths is asked for with the token, which
 * makes the cache fetch it again and keep the answer 410 in place of the picture. All of it happens in the
 * background. What cannot be told is logged. Then the cache shows the picture until its `max-age` is over.
 */
export class FrontCaches implements AsyncDisposable {
  readonly #caches: readonly FrontCache[];

  constructor({ origins, ...options }: FrontCachesOptions) {
    this.#caches = origins.map((origin) => new FrontCache({ ...options, origin }));
  }

  /** Images that wait for a refresh, summed over all caches. */
  get waiting(): number {
    return this.#caches.reduce((sum, { waiting }) => sum + waiting, 0);
  }

  /**
   * Call it when all mappers answer 410 for this image. Never throws, and waits for nothing.
   * @param key of the image
   * @param type decides which extensions its paths may have
   */
  refresh(key: string, type: PictureType): void {
    for (const cache of this.#caches) cache.add(key, type);
  }

  /** Gives what waits for its first refresh two seconds, then gives it up. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#caches.map(async (cache) => cache[Symbol.asyncDispose]()));
  }
}

interface GoneImage {
  readonly key: string;
  /** Those that the cache still has to fetch again. */
  readonly paths: readonly string[];
  readonly giveUpAtMs: number;
  readonly failures: number;
  /** The second refresh, after {@link SETTLE_MS}. */
  readonly isAgain: boolean;
}

type FrontCacheOptions = Omit<FrontCachesOptions, 'origins'> & { readonly origin: string };

/** One cache. What another one does not answer delays nothing here. */
class FrontCache implements AsyncDisposable {
  readonly #options: FrontCacheOptions;
  /** Undefined until the first refresh: the client takes 4 MB. */
  #pool: Promise<Pool> | undefined;
  readonly #stopping = new AbortController();
  readonly #ready: GoneImage[] = [];
  readonly #working = new Set<Promise<void>>();
  readonly #givenUp: GivenUp;
  /** Those that wait for their next refresh. */
  readonly #resting = new Map<NodeJS.Timeout, GoneImage>();

  constructor(options: FrontCacheOptions) {
    this.#options = options;
    this.#givenUp = new GivenUp(options);
  }

  get waiting(): number {
    return this.#ready.length + this.#resting.size + this.#working.size;
  }

  add(key: string, type: PictureType): void {
    const giveUpMs = Math.max(MIN_GIVE_UP_MS, Math.min(this.#options.maxAgeS * 1_000, MAX_GIVE_UP_MS));
    const image = {
      key,
      paths: imagePathsOf(key, type),
      giveUpAtMs: monotonicMs() + giveUpMs,
      failures: 0,
      isAgain: false,
    };
    if (this.#stopping.signal.aborted) this.#giveUp(image, 'this process stops');
    else if (this.waiting >= MAX_WAITING) this.#giveUp(image, `${MAX_WAITING} images wait already`);
    else this.#begin(image);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const end = monotonicMs() + END_MS;
    const isBusy = (): boolean => this.#ready.length + this.#working.size > 0;
    while (isBusy() && monotonicMs() < end) await pauseQuietly(10, this.#stopping.signal);
    this.#stopping.abort();
    for (const [timer, image] of this.#resting) {
      clearTimeout(timer);
      if (!image.isAgain) this.#giveUp(image, 'this process stops');
    }
    this.#resting.clear();
    for (const image of this.#ready.splice(0)) this.#giveUp(image, 'this process stops');
    await (await this.#pool)?.destroy();
    await Promise.all(this.#working);
    this.#givenUp.end();
  }

  #begin(image: GoneImage): void {
    this.#ready.push(image);
    this.#next();
  }

  #next(): void {
    while (this.#working.size < AT_ONCE) {
      const image = this.#ready.shift();
      if (image === undefined) return;
      const work = this.#refresh(image).finally(() => {
        this.#working.delete(work);
        this.#next();
      });
      this.#working.add(work);
    }
  }

  /** Asks for one path after the other until one fails. Never rejects. */
  async #refresh(image: GoneImage): Promise<void> {
    let { paths } = image;
    if (image.failures > 0 || image.isAgain) {
      const isShown = await this.#options.isShown(image.key).catch(() => false);
      if (isShown) return;
    }
    try {
      for (const path of image.paths) {
        await this.#ask(path);
        paths = paths.slice(1);
      }
    } catch (error) {
      this.#repeat({ ...image, paths, failures: image.failures + 1 }, messageOf(error));
      return;
    }
    if (image.isAgain) return;
    this.#options.onOutcome('refreshed');
    this.#rest(this.#options.settleMs ?? SETTLE_MS, {
      ...image,
      failures: 0,
      isAgain: true,
      giveUpAtMs: monotonicMs() + MIN_GIVE_UP_MS,
    });
  }

  /** @throws unless the cache says that the picture is gone */
  async #ask(path: string): Promise<void> {
    // If it is shown again in this moment, the mapper behind the cache counts no click.
    const headers = { [REFRESH_HEADER]: this.#options.token, 'Sec-Purpose': 'prefetch' };
    this.#pool ??= openPool(this.#options.origin);
    const pool = await this.#pool;
    const status = await withDeadline(
      'the cache',
      ATTEMPT_MS,
      async (signal) => {
        // A cache fetches the whole answer for a HEAD too, and keeps it.
        const answer = await pool.request({ path, method: 'HEAD', headers, signal });
        await answer.body.dump();
        return answer.statusCode;
      },
      this.#stopping.signal,
    );
    if (status !== 404 && status !== 410) throw new Error(`it answers ${status} instead of 410`);
  }

  #repeat(image: GoneImage, why: string): void {
    const pauseMs = delayFor(image.failures - 1, BACKOFF);
    if (this.#stopping.signal.aborted) this.#giveUp(image, 'this process stops');
    else if (monotonicMs() + pauseMs > image.giveUpAtMs) this.#giveUp(image, why);
    else this.#rest(pauseMs, image);
  }

  #rest(pauseMs: number, image: GoneImage): void {
    if (this.#stopping.signal.aborted) return;
    const timer = setTimeout(() => {
      this.#resting.delete(timer);
      this.#begin(image);
    }, pauseMs);
    timer.unref();
    this.#resting.set(timer, image);
  }

  #giveUp({ key }: GoneImage, why: string): void {
    this.#options.onOutcome('given-up');
    this.#givenUp.add(key, why);
  }
}

/** Says in the log which images were given up: the first at once, and then how many more. */
class GivenUp {
  readonly #options: Pick<FrontCacheOptions, 'log' | 'origin' | 'maxAgeS'>;
  #more: { images: number; readonly key: string; readonly why: string } | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: Pick<FrontCacheOptions, 'log' | 'origin' | 'maxAgeS'>) {
    this.#options = options;
  }

  add(key: string, why: string): void {
    if (this.#more !== undefined) this.#more.images += 1;
    else this.#more = { images: 1, key, why };
    if (this.#timer === undefined) this.#tell();
  }

  /** Tells what is left to tell. */
  end(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#more !== undefined) this.#tell();
    clearTimeout(this.#timer);
  }

  #tell(): void {
    const { log, origin, maxAgeS } = this.#options;
    log.warn(
      { cache: origin, ...this.#more, maxAgeS },
      'a cache in front of us was not told that images are gone; it may show them until their max-age is over',
    );
    this.#more = undefined;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#more !== undefined) this.#tell();
    }, LOG_EVERY_MS).unref();
  }
}

async function openPool(origin: string): Promise<Pool> {
  const { Pool } = await import('undici');
  return new Pool(origin, { connections: AT_ONCE, pipelining: 1, allowH2: false });
}
