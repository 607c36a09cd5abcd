/**
 * Runs `work` with a moment that comes soon, before which `work` must end: for what expires. A slow machine
 * may take longer, and then the outcome says nothing: `work` runs again, and has twice the time.
 *
 * @returns what `work` returned before that moment, and the moment
 */
export async function beforeEnd<T>(
  lifeMs: number,
  work: (end: Date) => Promise<T>,
): Promise<{ end: Date; result: T }> {
  const end = new Date(Date.now() + lifeMs);
  const working = work(end);
  await Promise.allSettled([working]);
  if (Date.now() >= end.getTime()) return beforeEnd(2 * lifeMs, work);
  return { end, result: await working };
}
