import { pauseQuietly } from '../../runtime/retry.ts';
import type { AckedImage, ImageClient } from './image-client.ts';

export interface ImageLoadOptions {
  readonly client: ImageClient;
  /** The ids of the mappers. */
  readonly mappers: readonly string[];
  readonly random: () => number;
}

const POSTERS = 3;
/** Through each mapper. */
const VIEWERS = 2;
const POSTER_REST_MS = 60;
const VIEWER_REST_MS = 15;
/** Of a viewer whose mapper is down. */
const DOWN_REST_MS = 50;
/** How often a client deletes an older image after a post, also after one that was refused. */
const DELETE_SHARE = 0.1;
/** Of views, those of one of the newest images. Others may not be in memory any more. */
const FRESH_SHARE = 0.5;
const FRESH = 10;
/** Each is looked at through every mapper at the end. */
const MAX_IMAGES = 3_000;
const LAST_VIEWERS = 8;

/**
 * Clients that post pictures, look at them through all mappers without a pause, and delete some. Each image
 * is looked at immediately after its answer, and after its deletion.
 */
export class ImageLoad implements AsyncDisposable {
  readonly #options: ImageLoadOptions;
  readonly #stopping = new AbortController();
  readonly #images: AckedImage[] = [];
  readonly #running: Promise<unknown>[];

  /** Begins immediately. */
  constructor(options: ImageLoadOptions) {
    this.#options = options;
    this.#running = Array.from({ length: POSTERS }, async () => this.#post());
    for (const mapper of options.mappers)
      for (let viewer = 0; viewer < VIEWERS; viewer += 1) this.#running.push(this.#view(mapper));
  }

  /** Images acknowledged so far, also those that were deleted. */
  get acked(): number {
    return this.#images.length;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all(this.#running);
  }

  /** After {@link stop} and healing: looks at every image through every mapper. */
  async viewAll(): Promise<void> {
    const { client, mappers } = this.#options;
    const waiting = [...this.#images];
    const view = async (): Promise<void> => {
      for (let image = waiting.pop(); image !== undefined; image = waiting.pop())
        for (const mapper of mappers) await client.viewAtLast(image, mapper);
    };
    await Promise.all(Array.from({ length: LAST_VIEWERS }, view));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #post(): Promise<void> {
    const { client, random } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted && this.#images.length < MAX_IMAGES) {
      const image = await client.post();
      if (image !== undefined) {
        this.#images.push(image);
        await this.#viewEverywhere(image);
      }
      const old = random() < DELETE_SHARE ? this.#pick() : undefined;
      if (old !== undefined && (await client.delete(old)) === 'acked') await this.#viewEverywhere(old);
      await pauseQuietly(POSTER_REST_MS, signal);
    }
  }

  async #view(mapper: string): Promise<void> {
    const { client } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const image = this.#pick();
      const isServed = image !== undefined && (await client.view(image, mapper));
      await pauseQuietly(isServed ? VIEWER_REST_MS : DOWN_REST_MS, signal);
    }
  }

  async #viewEverywhere(image: AckedImage): Promise<void> {
    const { client, mappers } = this.#options;
    await Promise.all(mappers.map(async (mapper) => client.view(image, mapper)));
  }

  #pick(): AckedImage | undefined {
    const { random } = this.#options;
    const from = random() < FRESH_SHARE ? this.#images.slice(-FRESH) : this.#images;
    return from[Math.floor(random() * from.length)];
  }
}
