import type { BlobStore } from '../../db/blobs/blob-store.ts';
import { blobPrefixOf } from '../../db/urls/image-facts.ts';
import type { Log } from '../../runtime/log.ts';
import { withDeadline } from '../../runtime/retry.ts';

export interface BlobRemovalOptions {
  readonly blobs: Pick<BlobStore, 'list' | 'delete'>;
  readonly log: Log;
}

/** Images whose blobs are removed at a time. */
const AT_ONCE = 4;
/** Images that wait. What a further one leaves behind, the sweep removes. */
const MAX_WAITING = 1_000;
/** For the blobs of one image. */
const REMOVE_MS = 30_000;
/** At the end of the process, for what is under way and waits. */
const END_MS = 2_000;

/**
 * Removes the bytes of images that were deleted, in the background: nobody is shown them any more. What
 * cannot be removed stays for the sweep.
 */
export class BlobRemovals implements AsyncDisposable {
  readonly #options: BlobRemovalOptions;
  readonly #waiting: string[] = [];
  readonly #working = new Set<Promise<void>>();

  constructor(options: BlobRemovalOptions) {
    this.#options = options;
  }

  /** Removes all blobs of an image. Never throws, and waits for nothing. */
  remove(key: string): void {
    if (this.#waiting.length >= MAX_WAITING) {
      this.#options.log.warn(
        { key },
        'too many images wait for their removal; the sweep will remove this one',
      );
      return;
    }
    this.#waiting.push(key);
    this.#next();
  }

  /** Gives what waits two seconds. */
  async [Symbol.asyncDispose](): Promise<void> {
    await withDeadline('the removal of images', END_MS, async () => {
      while (this.#working.size > 0) await Promise.all(this.#working);
    }).catch(() => undefined);
    this.#waiting.length = 0;
  }

  #next(): void {
    while (this.#working.size < AT_ONCE) {
      const key = this.#waiting.shift();
      if (key === undefined) return;
      const work = this.#removeAll(key).finally(() => {
        this.#working.delete(work);
        this.#next();
      });
      this.#working.add(work);
    }
  }

  /** Never rejects. */
  async #removeAll(key: string): Promise<void> {
    const { blobs, log } = this.#options;
    try {
      await withDeadline('the removal of an image', REMOVE_MS, async (signal) => {
        for await (const { name } of blobs.list(blobPrefixOf(key))) {
          signal.throwIfAborted();
          await blobs.delete(name);
        }
      });
    } catch (error) {
      log.warn(
        { error, key },
        'the bytes of a deleted image could not be removed; the sweep will remove them',
      );
    }
  }
}
