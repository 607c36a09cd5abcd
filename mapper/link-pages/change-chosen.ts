import { Problem } from '../http/problem.ts';
import type { PageRequest } from '../pages/page-routes.ts';
import type { WholeLink } from '../shorten/whole-link.ts';

/** What is done to several links together. */
export type Chosen =
  { readonly action: 'delete' } | { readonly action: 'add' | 'remove'; readonly tag: string };

/** A link that is not changed, and why. */
export interface NotChanged {
  readonly key: string;
  readonly reason: string;
}

interface ChangedItem {
  readonly unique_id: string;
  readonly problem?: { readonly detail: string; readonly errors?: { readonly reason: string }[] };
}

/** Links of a list that are changed at the same time. */
const AT_ONCE = 4;
/** How often a link is read again that somebody else changes meanwhile. */
const MAX_ATTEMPTS = 4;

/**
 * Changes links as the API does, each by itself.
 * @returns those that are not changed, with the reasons
 * @throws Problem 401, 403, 422, 429, 503
 */
export async function changeChosen(
  request: PageRequest,
  keys: readonly string[],
  chosen: Chosen,
): Promise<NotChanged[]> {
  if (chosen.action === 'delete') {
    const { body } = await request.call('deleteLinks', { body: { unique_ids: [...new Set(keys)] } });
    return (body as { items: ChangedItem[] }).items.flatMap(({ unique_id: key, problem }) =>
      problem === undefined ? [] : [{ key, reason: problem.detail }],
    );
  }
  const failed: NotChanged[] = [];
  const waiting = [...new Set(keys)];
  const work = async (): Promise<void> => {
    for (let key = waiting.shift(); key !== undefined; key = waiting.shift()) {
      const reason = await changeTags(request, key, chosen);
      if (reason !== undefined) failed.push({ key, reason });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return failed;
}

/** A change of tags names all of them, so it holds only for the tags that were read before it. */
async function changeTags(
  { call }: PageRequest,
  key: string,
  { action, tag }: Exclude<Chosen, { action: 'delete' }>,
): Promise<string | undefined> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const { body, headers } = await call('getLink', { params: { key } });
      const before = (body as WholeLink).tags;
      if (before.includes(tag) === (action === 'add')) return undefined;
      const tags = action === 'add' ? [...before, tag] : before.filter((one) => one !== tag);
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
      return fault === undefined ? error.message : `The tag ${fault.reason}.`;
    }
  }
}
