import { setTimeout as delay } from 'node:timers/promises';

/** Long, for a busy machine; and shorter than polls of 30 s, for which no test wants to wait. */
const USUAL_TIMEOUT_MS = 25_000;

interface Patience {
  readonly timeoutMs?: number;
  readonly everyMs?: number;
  readonly clock?: () => number;
}

type Maybe<T> = T | undefined | false | null;

/**
 * Waits until `condition` returns a truthy value, and returns it. Tests use this instead of sleeping. A
 * condition that throws counts as not yet true; after the timeout, its last error is in the message.
 *
 * @param what completes the sentence "waited for …"
 * @param clock `ranMs` (test/ran-ms.ts) where the time-out is a short bound of what is tested
 */
export async function until<T>(
  what: string,
  condition: () => Promise<Maybe<T>> | Maybe<T>,
  { timeoutMs = USUAL_TIMEOUT_MS, everyMs = 15, clock = () => performance.now() }: Patience = {},
): Promise<T> {
  const deadline = clock() + timeoutMs;
  let lastError: unknown;
  for (;;) {
    try {
      const result = await condition();
      if (result !== undefined && result !== false && result !== null) return result;
      lastError = undefined;
    } catch (error) {
      lastError = error;
    }
    if (clock() > deadline) {
      throw new Error(
        `waited ${timeoutMs} ms in vain for ${what}`,
        lastError === undefined ? {} : { cause: lastError },
      );
    }
    await delay(everyMs);
  }
}
