import { monotonicMs } from '../../runtime/clock.ts';
import { Problem } from '../http/problem.ts';
import type { PageRequest } from '../pages/page-routes.ts';
import type { WholeLink } from '../shorten/whole-link.ts';

/** What is done to several links together. */
export type Chosen =
  | { readonly action: 'delete' | 'restore' }
  | { readonly action: 'add' | 'remove'; readonly tags: readonly string[] };

/** A link that is not changed, and why. */
export interface NotChanged {
  readonly key: string;
  readonly reason: string;
}

export interface Outcome {
  readonly failed: readonly NotChanged[];
  /** Why all others were not tried; undefined: each was. */
  readonly stop?: Problem;
}

interface ChangedItem {
  readonly unique_id: string;
  readonly problem?: { readonly detail: string; readonly errors?: { readonly reason: string }[] };
}

/** Links of a list that are changed at the same time. */
const AT_ONCE = 4;
/** How often a link is read again that somebody else changes meanwhile. */
const MAX_ATTEMPTS = 4;
/** Nobody waits longer for a page. */
const MAX_MS = 30_000;

/**
 * Changes links as the API does, each by itself. When requests or a store run out, the rest is left as it is.
 * Nothing goes on after it has returned.
 * @param keys different ones
 * @returns those that are not changed, with the reasons
 * @throws Problem 401, 403; for a deletion, which is one request, also 429 and 503
 */
export async function changeChosen(
  request: PageRequest,
  keys: readonly string[],
  chosen: Chosen,
): Promise<Outcome> {
  if (chosen.action === 'delete') {
    const { body } = await request.call('deleteLinks', { body: { unique_ids: keys } });
    const failed = (body as { items: ChangedItem[] }).items.flatMap(({ unique_id: key, problem }) =>
      problem === undefined ? [] : [{ key, reason: problem.detail }],
    );
    return { failed };
  }
  const failed: NotChanged[] = [];
  const waiting = [...keys];
  const endsAtMs = monotonicMs() + MAX_MS;
  const stops: unknown[] = [];
  const work = async (): Promise<void> => {
    for (let key = waiting.shift(); key !== undefined; key = waiting.shift())
      try {
        if (monotonicMs() > endsAtMs) throw new Problem('overloaded', { detail: TOO_LONG });
        const reason = await ('tags' in chosen ? changeTags(request, key, chosen) : restore(request, key));
        if (reason !== undefined) failed.push({ key, reason });
      } catch (error) {
        stops.push(error);
        if (error instanceof Problem) failed.push({ key, reason: error.message });
        // Nobody begins another one; those that are under way come to their end.
        failed.push(...waiting.splice(0).map((rest) => ({ key: rest, reason: NOT_TRIED })));
      }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  const stop = stops.find((error) => !isOfMoment(error)) ?? stops[0];
  if (stop === undefined) return { failed };
  if (!(stop instanceof Problem) || !isOfMoment(stop)) throw stop;
  return { failed, stop };
}

const NOT_TRIED = 'It was not tried, because the service could not go on. Try again in a minute.';
const TOO_LONG = 'The others took too long.';

/** Whether an error says that the same may be right later. */
function isOfMoment(error: unknown): boolean {
  return error instanceof Problem && (error.status === 503 || error.status === 429);
}

async function restore({ call }: PageRequest, key: string): Promise<string | undefined> {
  try {
    await call('restoreLink', { params: { key } });
    return undefined;
  } catch (error) {
    if (!(error instanceof Problem) || error.status >= 500 || error.status === 429) throw error;
    return error.message;
  }
}

/** A change of tags names all of them, so it holds only for the tags that were read before it. */
async function changeTags(
  { call }: PageRequest,
  key: string,
  { action, tags: named }: Extract<Chosen, { tags: unknown }>,
): Promise<string | undefined> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const { body, headers } = await call('getLink', { params: { key } });
      const before = (body as WholeLink).tags;
      const tags =
        action === 'add' ? [...new Set([...before, ...named])] : before.filter((one) => !named.includes(one));
      if (tags.length === before.length) return undefined;
      await call('changeLink', {
        params: { key },
        body: { tags },
        headers: { 'if-match': headers?.['ETag'] ?? '' },
      });
      return undefined;
    } catch (error) {
      if (!(error instanceof Problem) || error.status >= 500 || error.status === 429) throw error;
      if (error.status === 412 && attempt < MAX_ATTEMPTS) continue;
      const [fault] = error.errors ?? [];
      return fault === undefined ? error.message : `The link ${fault.reason}.`;
    }
  }
}
