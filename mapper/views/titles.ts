import { BoundedCache } from '../../runtime/bounded-cache.ts';
import { withDeadline } from '../../runtime/retry.ts';

export interface TitlesOptions {
  /** The title as it is stored; null: it has none. */
  readonly read: (key: string) => Promise<string | null>;
}

/** A page without a title is better than one that comes late. */
const TIMEOUT_MS = 700;
/** Titles have up to 200 characters. */
const MAX_KNOWN = 5_000;

/** The titles of images. Memory has only what a redirect needs, so they are read when a page is shown. */
export class Titles {
  readonly #options: TitlesOptions;
  /** By link and state: each change of a link gives it another one. */
  readonly #known = new BoundedCache<string>(MAX_KNOWN);
  readonly #reading = new Map<string, Promise<string>>();

  constructor(options: TitlesOptions) {
    this.#options = options;
  }

  /** '': it has none, or the store that knows it does not answer. Never rejects. */
  async find(key: string, state: string | undefined): Promise<string> {
    const place = `${key} ${state}`;
    const known = this.#known.get(place);
    if (known !== undefined) return known;
    let reading = this.#reading.get(place);
    if (reading === undefined) {
      reading = this.#read(key, place).finally(() => this.#reading.delete(place));
      this.#reading.set(place, reading);
    }
    return reading;
  }

  async #read(key: string, place: string): Promise<string> {
    try {
      const title = await withDeadline('title', TIMEOUT_MS, async () => this.#options.read(key));
      this.#known.set(place, title ?? '');
      return title ?? '';
    } catch {
      return '';
    }
  }
}
