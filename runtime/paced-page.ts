import { setTimeout as delay } from 'node:timers/promises';

/**
 * A text that takes long to make, for any number of readers: it is made at most once in `everyMs`, for all
 * who wait for it. A reader never gets a text that was begun before it asked.
 *
 * @param make rejects for all who wait
 */
export function createPacedPage(make: () => Promise<string>, everyMs: number): () => Promise<string> {
  let begun: Promise<unknown> = Promise.resolve();
  let mayBeginAtMs = 0;
  let next: Promise<string> | undefined;
  const begin = async (): Promise<string> => {
    await begun.catch(() => undefined);
    const waitMs = mayBeginAtMs - performance.now();
    if (waitMs > 0) await delay(waitMs);
    // Who asks from now on waits for the one after this.
    next = undefined;
    const made = make();
    begun = made;
    try {
      return await made;
    } finally {
      mayBeginAtMs = performance.now() + everyMs;
    }
  };
  return async () => (next ??= begin());
}
