import type { ApiReply } from '../api/endpoint.ts';
import { Problem } from '../http/problem.ts';
import type { Period } from './period.ts';
import type { DimensionName, ShownClicks } from './statistics-view.ts';

/**
 * Reads the clicks of a period. A page without charts is better than none: links can be changed, whatever is
 * with their clicks.
 * @param ask calls the endpoint with this query
 * @throws Problem for everything that is no matter of the moment
 */
export async function readClicks(
  period: Period,
  only: DimensionName | undefined,
  ask: (query: Readonly<Record<string, string>>) => Promise<ApiReply<unknown>>,
): Promise<ShownClicks | { readonly fault: string }> {
  try {
    const { body } = await ask({ ...period.query, ...(only !== undefined && { only }) });
    return body as ShownClicks;
  } catch (error) {
    if (!(error instanceof Problem) || (error.status !== 503 && error.status !== 429)) throw error;
    return { fault: `Clicks cannot be read just now. ${error.message}` };
  }
}
