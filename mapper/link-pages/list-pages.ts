import { Problem } from '../http/problem.ts';
import { given } from '../pages/try-form.ts';
import type { FormRequest, PageReply, PageRequest, PageRoutes } from '../pages/page-routes.ts';
import { tag as tagSchema } from '../shorten/own-fields.ts';
import type { WholeLink } from '../shorten/whole-link.ts';
import { changeChosen, type Chosen } from './change-chosen.ts';
import { listPage, pathOfList, type ListChoice, type ListView } from './list-view.ts';
import { splitTags } from './link-form.ts';
import { outcomePage } from './outcome-view.ts';

/** Of a page. */
const LINKS = '50';
/** Nobody chooses more than a page has. */
const MAX_CHOSEN = Number(LINKS);
/** A search in many links comes in pages that may be empty: it goes on for so many of them. */
const MAX_EMPTY_PAGES = 5;
const TAGS = '200';

interface LinkList {
  readonly items: readonly WholeLink[];
  readonly next_cursor: string | null;
}

/** `/urls`: the list of one's own links, and what is done to several of them together. */
export function addListPages(pages: PageRoutes): void {
  pages.get('/urls', { for: 'signed-in', isShared: true }, async (request) => {
    const { query } = request;
    const choice = choiceOf(query);
    return listPage(await viewOf(request, choice, doneOf(query)));
  });
  pages.post('/urls/bulk', { for: 'signed-in', isShared: true }, changeTogether);
}

async function changeTogether(request: FormRequest): Promise<PageReply> {
  const { form } = request;
  const choice = choiceOf(form);
  const keys = [...new Set(form.getAll('key'))];
  const refuse = async (field: string, reason: string): Promise<PageReply> => {
    const problem = new Problem('invalid-request', { errors: [{ field, reason }], detail: reason });
    const chosen = { keys: new Set(keys), tag: form.get('bulk_tag') ?? '' };
    return listPage({ ...(await viewOf(request, choice, undefined)), problem, chosen });
  };
  if (keys.length === 0) return refuse('', 'No link is chosen: tick the boxes of those that you mean.');
  if (keys.length > MAX_CHOSEN) return refuse('', `Choose at most ${MAX_CHOSEN} links.`);
  const chosen = chosenOf(form);
  if (chosen === undefined) return refuse('', 'Say which tag you mean.');
  for (const tag of 'tags' in chosen && chosen.action === 'add' ? chosen.tags : []) {
    const why = tagSchema.safeParse(tag).error?.issues[0]?.message;
    if (why !== undefined) return refuse('', `The tag ${shortened(tag)} ${why}.`);
  }
  const { failed, stop } = await changeChosen(request, keys, chosen);
  if (failed.length > 0)
    return outcomePage({ back: pathOfList(choice), changed: keys.length - failed.length, failed, stop });
  const done = 'tags' in chosen && chosen.tags.length > 1 ? `${chosen.action}-many` : chosen.action;
  return { location: pathOfList(choice, { done, count: String(keys.length) }) };
}

function shortened(tag: string): string {
  return tag.length > 30 ? `${tag.slice(0, 30)}…` : tag;
}

function chosenOf(form: URLSearchParams): Chosen | undefined {
  const action = form.get('action');
  if (action === 'delete' || action === 'restore') return { action };
  const text = given(form, 'bulk_tag') ?? '';
  const tags = splitTags(text);
  if (tags.length === 0) return undefined;
  // A tag of the API may contain a comma.
  return action === 'remove' ? { action, tags: [...new Set([text, ...tags])] } : { action: 'add', tags };
}

function choiceOf(query: URLSearchParams): ListChoice {
  const text = (name: string): string => query.get(name)?.trim() ?? '';
  const state = text('state');
  return {
    q: text('q'),
    tag: query.get('tag') ?? '',
    state: state === '' ? 'active' : state,
    cursor: text('cursor'),
  };
}

const DONE: Readonly<Partial<Record<string, string>>> = {
  add: 'got the tag.',
  remove: 'lost the tag.',
  'add-many': 'got the tags.',
  'remove-many': 'lost the tags.',
  delete: 'deleted. Deleted links can be restored for 30 days.',
  restore: 'restored. They are as they were before.',
};

/** What a form has done that has led here. The numbers are nothing but words, so anybody may make them up. */
function doneOf(query: URLSearchParams): string | undefined {
  const count = Number(query.get('count'));
  if (!Number.isInteger(count) || count < 1 || count > 1_000) return undefined;
  const links = count === 1 ? '1 link' : `${count} links`;
  const done = query.get('done') ?? '';
  const what = count === 1 && done === 'restore' ? 'restored. It is as it was before.' : DONE[done];
  return what === undefined ? undefined : `${links} ${what}`;
}

/** @throws Problem for everything that is not wrong with what is looked for */
async function viewOf(
  { call }: PageRequest,
  choice: ListChoice,
  done: string | undefined,
): Promise<ListView> {
  const nowMs = Date.now();
  const tags = await call('listTags', { query: { limit: TAGS } });
  const known = (tags.body as { items: ListView['tags'] }).items;
  const about = { choice, tags: known, done, nowMs };
  try {
    const { items, next_cursor: nextCursor } = await search(call, choice);
    return { ...about, links: items, nextCursor };
  } catch (error) {
    if (!(error instanceof Problem) || error.status !== 422) throw error;
    return { ...about, links: [], nextCursor: null, problem: error };
  }
}

async function search(call: PageRequest['call'], { cursor, ...choice }: ListChoice): Promise<LinkList> {
  const wanted = Object.fromEntries(Object.entries(choice).filter(([, value]) => value !== ''));
  let next = cursor;
  for (let pages = 1; ; pages += 1) {
    const query = { ...wanted, limit: LINKS, ...(next !== '' && { cursor: next }) };
    const list = (await call('listLinks', { query })).body as LinkList;
    if (list.items.length > 0 || list.next_cursor === null || pages === MAX_EMPTY_PAGES) return list;
    next = list.next_cursor;
  }
}
