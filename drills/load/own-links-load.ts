import { pause, pauseQuietly } from '../../runtime/retry.ts';
import type { OwnLinkRead, OwnLinksClient, Wish } from './own-links-client.ts';

export interface OwnLinksLoadOptions {
  readonly client: OwnLinksClient;
  /** The ids of the mappers. */
  readonly mappers: readonly string[];
  readonly random: () => number;
}

/** So few that editors often meet at one link. */
const LINKS = 12;
const EDITORS = 4;
/** Through each mapper. */
const FOLLOWERS = 2;
const EDITOR_REST_MS = 10;
const FOLLOWER_REST_MS = 5;
/** Of a follower whose mapper is down. */
const DOWN_REST_MS = 50;
const DELETE_SHARE = 0.2;
/** Of redirects, those of the link that changed last. Others find their link in memory. */
const FRESH_SHARE = 0.5;
const PATIENCE_MS = 30_000;

/**
 * Editors that change the same few links, each by the version that it has read, and followers that follow
 * them through all mappers without a pause. A link whose change was acknowledged is followed on all mappers
 * immediately.
 */
export class OwnLinksLoad implements AsyncDisposable {
  readonly #options: OwnLinksLoadOptions;
  readonly #stopping = new AbortController();
  /** The links that editors change. */
  readonly #living: string[] = [];
  /** All links, also those that were pruned. */
  readonly #all: string[] = [];
  readonly #running: Promise<unknown>[];
  readonly #busy = new Map<string, number>();
  #changedLast = '';

  /** @throws Error when no link can be made */
  static async start(options: OwnLinksLoadOptions): Promise<OwnLinksLoad> {
    const load = new OwnLinksLoad(options);
    await load.#makeLinks();
    if (load.#living.length === 0) throw new Error('no own link could be made');
    load.#run();
    return load;
  }

  private constructor(options: OwnLinksLoadOptions) {
    this.#options = options;
    this.#running = [];
  }

  /**
   * Takes `count` links from the editors and deletes them; new links take their places.
   * @returns the links as they are deleted
   */
  async retire(count: number): Promise<OwnLinkRead[]> {
    const retired = this.#living.splice(0, count);
    const deleted = await Promise.all(retired.map(async (key) => this.#deleteForGood(key)));
    await this.#makeLinks();
    return deleted;
  }

  /** Ends editors and followers. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all(this.#running);
  }

  /** After healing: reads every link, and follows it through all mappers. */
  async followAll(): Promise<void> {
    const { client } = this.#options;
    for (const key of this.#all) {
      await client.read(key);
      await client.followEverywhere(key);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #makeLinks(): Promise<void> {
    for (let attempt = 0; attempt < LINKS && this.#living.length < LINKS; attempt += 1) {
      const key = await this.#options.client.make();
      if (key === undefined) continue;
      this.#living.push(key);
      this.#all.push(key);
    }
  }

  #run(): void {
    const { mappers } = this.#options;
    for (let editor = 0; editor < EDITORS; editor += 1) this.#running.push(this.#edit());
    for (const mapper of mappers)
      for (let follower = 0; follower < FOLLOWERS; follower += 1) this.#running.push(this.#follow(mapper));
  }

  async #edit(): Promise<void> {
    const { client } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const key = this.#pick(this.#living);
      await this.#occupied(key, async () => {
        const read = await client.read(key);
        if (typeof read === 'number' || (await client.change(read, this.#wishFor(read))) !== 'acked') return;
        this.#changedLast = key;
        await client.followEverywhere(key);
      });
      await pauseQuietly(EDITOR_REST_MS, signal);
    }
  }

  async #follow(mapper: string): Promise<void> {
    const { client, random } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const isFresh = this.#changedLast !== '' && random() < FRESH_SHARE;
      const isServed = await client.follow(isFresh ? this.#changedLast : this.#pick(this.#all), mapper);
      await pauseQuietly(isServed ? FOLLOWER_REST_MS : DOWN_REST_MS, signal);
    }
  }

  #wishFor({ state }: OwnLinkRead): Wish {
    const { client, random } = this.#options;
    if (state.isDeleted) return { kind: 'restore' };
    return random() < DELETE_SHARE ? { kind: 'delete' } : { kind: 'edit', target: client.nextTarget() };
  }

  /**
   * Deletes a link by a deletion that is acknowledged. No earlier change can happen after it, because that
   * names an older version.
   */
  async #deleteForGood(key: string): Promise<OwnLinkRead> {
    const { client } = this.#options;
    const deadline = performance.now() + PATIENCE_MS;
    while ((this.#busy.get(key) ?? 0) > 0) await pause(EDITOR_REST_MS);
    while (performance.now() < deadline) {
      const read = await client.read(key);
      if (typeof read === 'number') await pause(EDITOR_REST_MS);
      else if (read.state.isDeleted) await client.change(read, { kind: 'restore' });
      else if ((await client.change(read, { kind: 'delete' })) === 'acked') {
        const deleted = await client.read(key);
        if (typeof deleted === 'object') return deleted;
      }
    }
    throw new Error(`${key} could not be deleted within ${PATIENCE_MS / 1_000} s`);
  }

  async #occupied(key: string, work: () => Promise<void>): Promise<void> {
    this.#busy.set(key, (this.#busy.get(key) ?? 0) + 1);
    await work();
    this.#busy.set(key, (this.#busy.get(key) ?? 1) - 1);
  }

  #pick(keys: readonly string[]): string {
    return keys[Math.floor(this.#options.random() * keys.length)] ?? '';
  }
}
