import type { Log } from '../../runtime/log.ts';
import type { KeySource } from './key-source.ts';

export interface MalformedTake {
  readonly from: KeySource;
  readonly malformed: readonly string[];
  /** Whether the take also returned keys. */
  readonly hadKeys: boolean;
}

const LOOK_TIMEOUT_MS = 500;

/**
 * What becomes of texts that a take returned and that are no keys. The pool is not drawn from any more, so
 * this happens to one take.
 *
 * If the take and the next texts in the pool contain no key at all, the texts are the keys of another
 * cluster, or of another key length: they go back. Otherwise they are rubbish between our keys, and are
 * dropped, because they would stand before these keys again.
 *
 * @returns how many were dropped. Never rejects.
 */
export async function returnMalformed(
  { from, malformed, hadKeys }: MalformedTake,
  log: Log,
): Promise<number> {
  from.gaveMalformed(malformed.length);
  try {
    if (hadKeys || (await from.hasKeysAhead(LOOK_TIMEOUT_MS)) === true) return malformed.length;
    const returnable = malformed.filter((text) => PRINTABLE.test(text));
    for (const texts of Map.groupBy(returnable, (text) => text.length).values())
      await from.pool.putBack(texts);
    return malformed.length - returnable.length;
  } catch (error) {
    log.debug({ error, pool: from.name }, 'malformed keys could not be returned');
    return malformed.length;
  }
}

/** Bytes that are no ASCII do not survive the way through the driver. */
const PRINTABLE = /^[\x21-\x7e]{1,64}$/;
