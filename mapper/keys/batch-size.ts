/** Ids of the first batch, and of the smallest. */
export const MIN_BATCH = 1_000;
/** A killed mapper loses at most the batches that it holds, which are two of this size. */
export const MAX_BATCH = 100_000;
const SHORT_MS = 60_000;
const LONG_MS = 30 * 60_000;

/**
 * How many ids the next batch has: twice as many when the last one was used up within a minute, half as many
 * when it lasted for more than half an hour. Policy only: it reads no clock.
 * @param lastedMs how long keys were drawn from the last batch until the next one was needed
 */
export function nextBatchSize(size: number, lastedMs: number): number {
  if (lastedMs < SHORT_MS) return Math.min(MAX_BATCH, 2 * size);
  if (lastedMs > LONG_MS) return Math.max(MIN_BATCH, Math.floor(size / 2));
  return size;
}

/** Whether the next batch is needed: a tenth of the last one is left. */
export function isLow(idsLeft: number, size: number): boolean {
  return idsLeft <= size / 10;
}
