import { counterKeys } from '../../db/counter/counter-keys.ts';
import type { Keyspace } from '../../db/keyspace/key.ts';
import { MAX_BATCH } from './batch-size.ts';

export interface BoundAboveOptions {
  readonly keyspace: Keyspace;
  /** Of the counter. */
  readonly region: number;
  /** Reads which of these keys are bound. */
  readonly findBound: (keys: readonly string[]) => Promise<ReadonlySet<string>>;
}

const FIRST_WINDOW = 16_384;
/** After so many windows without a bound key, in a row, none is expected above. */
const EMPTY_WINDOWS = 3;
/**
 * 16,384 × (2^11 - 1) ids, half of what other mappers allow for (`IssuedKeys`). If more are bound,
 * the next bound key leads here again.
 */
const MAX_WINDOWS = 11;
/**
 * Mappers that were killed leave holes, so a window is looked at in many places: one of which a tenth is bound
 * is missed once in 800 times.
 */
const PLACES = 64;
const IDS_PER_PLACE = 4;
/** Its multiples, without their whole parts, are spread evenly and follow no period of the holes. */
const GOLDEN_RATIO = (Math.sqrt(5) - 1) / 2;

/**
 * How far ids have been given out, seen from the links: for a counter of which all stores have gone back.
 * Looks into windows above `from`, each twice as long as the one before it, for a bound key.
 * @returns an id above which no key is expected to be bound, or held by a mapper
 */
export async function findUnboundAbove(
  from: number,
  { keyspace, region, findBound }: BoundAboveOptions,
): Promise<number> {
  let highest = from;
  let first = from + 1;
  let isEmpty = 0;
  for (let window = 0; window < MAX_WINDOWS && isEmpty < EMPTY_WINDOWS; window += 1) {
    const size = Math.min(FIRST_WINDOW * 2 ** window, keyspace.maxId - first + 1);
    if (size < IDS_PER_PLACE) break;
    const keys = Array.from({ length: PLACES }, (_, place) => {
      const share = ((place + 1) * GOLDEN_RATIO) % 1;
      const start = first + Math.floor(share * (size - IDS_PER_PLACE));
      return counterKeys({ keyspace, region }, start, IDS_PER_PLACE).map(({ key }) => key);
    }).flat();
    const isHit = (await findBound(keys)).size > 0;
    if (isHit) highest = first + size - 1;
    isEmpty = isHit ? 0 : isEmpty + 1;
    first += size;
  }
  // Mappers may hold a batch above the last bound key.
  return Math.min(highest + MAX_BATCH, keyspace.maxId);
}
