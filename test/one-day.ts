import { until } from './until.ts';

const DAY_MS = 86_400_000;

/**
 * For suites in which the test and the product both read the date: before each test it waits for the next day
 * of UTC if this one ends within so many seconds.
 */
export function withinOneDay(seconds = 30): void {
  const lastsMs = seconds * 1_000;
  beforeEach('on a day that does not end meanwhile', async function () {
    this.timeout(lastsMs + 30_000);
    const isLongEnough = (): boolean => DAY_MS - (Date.now() % DAY_MS) > lastsMs;
    await until('the next day', isLongEnough, { timeoutMs: lastsMs + 10_000 });
  });
}
