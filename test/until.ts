import { setTimeout as delay } from 'node:timers/promises';

/** Long, for a busy machine; and shorter than polls of 30 s, for which no test wants to wait. */
const USUAL_TIMEOUT_MS = 25_000;

type Maybe<T> = T | undefined | false | null;

/**
 * Waits until `condition` returns a truthy value, and returns it. Tests use this instead of sleeping. A
 * condition that throws counts as not yet true; after the timeout, its last error is in the message.
 *
 * @param what completes the sentence "waited for …"
 */
export async function until<T>(
  what: string,
  condition: () => Promise<Maybe<T>> | Maybe<T>,
  { timeoutMs = USUAL_TIMEOUT_MS, everyMs = 15 }: { timeoutMs?: number; everyMs?: number } = {},
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  let lastError: unknown;
  for (;;) {
    try {
      const result = await condition();
      if (result !== undefined && result !== false && result !== null) return result;
      lastError = undefined;
    } catch (error) {
      lastError = error;
    }
    if (performance.now() > deadline) {
      throw new Error(
        `waited ${timeoutMs} ms in vain for ${what}`,
        lastError === undefined ? {} : { cause: lastError },
      );
    }
    await delay(everyMs);
  }
}
