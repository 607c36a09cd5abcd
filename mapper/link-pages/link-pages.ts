import type { AnsweredLink } from '../api/link-answers.ts';
import { Problem } from '../http/problem.ts';
import type { FormState } from '../pages/form.ts';
import {
  isAdmin,
  type FormRequest,
  type PageReply,
  type PageRequest,
  type PageRoutes,
} from '../pages/page-routes.ts';
import { requirePasswordAgain } from '../pages/password-field.ts';
import { tryForm } from '../pages/try-form.ts';
import type { WholeLink } from '../shorten/whole-link.ts';
import { ABOUT, changedFields, rebased, toForm } from './link-form.ts';
import { linkPage, type LinkView } from './link-view.ts';
import { pathOfLink } from './paths.ts';
import { periodOf } from './period.ts';
import { readClicks } from './read-clicks.ts';
import { DIMENSION_NAMES } from './statistics-view.ts';
import { withRowsInOrder } from './target-rows.ts';

const NO_CLICKS = 'Nobody has followed this link in this period.';
const SHARED = { for: 'signed-in', isShared: true } as const;
/** 20 targets of 2,048 characters, all of them percent-encoded, twice: as they were and as they are. */
const MAX_FORM_BYTES = 512 * 1024;

const DONE: Readonly<Record<string, string>> = {
  made: 'The link is made.',
  found: 'You had this link already.',
  saved: 'Saved. Everybody is led by the new state now.',
  'saved-lagging': 'Saved. Some servers may lead by the old state for a short time.',
  unchanged: 'Nothing was changed.',
  deleted: 'Deleted. Nobody can follow this link any more.',
  restored: 'Restored. The link is as it was before.',
};

/** `/urls/{key}`: a link with its clicks, and the forms that change it. */
export function addLinkPages(pages: PageRoutes): void {
  pages.get('/urls/:key', SHARED, async (request) =>
    linkPage(await viewOf(request, { done: DONE[request.query.get('done') ?? ''] })),
  );
  pages.post('/urls/:key', { ...SHARED, maxBytes: MAX_FORM_BYTES }, changeLink);
  pages.post('/urls/:key/delete', SHARED, async (request) => endOrRestore(request, deleteLink));
  pages.post('/urls/:key/restore', SHARED, async (request) =>
    endOrRestore(request, async ({ call }, key) => {
      await call('restoreLink', { params: { key } });
      return doneWith(key, 'restored');
    }),
  );
}

/** Who deletes a link twice, by the back button or in two tabs, has what he wants. */
async function deleteLink({ call, form }: FormRequest, key: string): Promise<PageReply> {
  try {
    await call('deleteLink', { params: { key }, headers: ifMatch(form) });
  } catch (error) {
    if (!(error instanceof Problem) || error.code !== 'changed-meanwhile') throw error;
    const { body } = await call('getLink', { params: { key } });
    if ((body as WholeLink).deleted_at === null) throw error;
  }
  return doneWith(key, 'deleted');
}

/** Where that is refused, the link is shown as it is, with the reason above it. */
async function endOrRestore(
  request: FormRequest,
  send: (request: FormRequest, key: string) => Promise<PageReply>,
): Promise<PageReply> {
  const key = request.params['key'] ?? '';
  return tryForm(
    request.form,
    async () => send(request, key),
    async ({ problem }) => linkPage({ ...(await viewOf(request, {})), refusal: refusalOf(problem) }),
  );
}

function refusalOf(problem: Problem | undefined): string | undefined {
  return problem?.code === 'changed-meanwhile'
    ? 'Somebody else has changed this link meanwhile, so it is not deleted. Below it is as it is now. Look at it and delete it again.'
    : problem?.message;
}

async function changeLink(request: FormRequest): Promise<PageReply> {
  const { call, params, form } = request;
  const key = params['key'] ?? '';
  const send = async (): Promise<PageReply> => {
    requirePasswordAgain(form);
    const body = changedFields(form);
    if (Object.keys(body).length === 0) return doneWith(key, 'unchanged');
    const reply = await call('changeLink', { params: { key }, body, headers: ifMatch(form) });
    const { warnings } = reply.body as AnsweredLink['body'];
    return doneWith(key, warnings === undefined ? 'saved' : 'saved-lagging');
  };
  return tryForm(form, send, async ({ problem }) => {
    const view = await viewOf(request, {});
    return linkPage({ ...view, state: stateOf(form, problem, view.answered.body) });
  });
}

/** What is shown again of a change that was refused. */
function stateOf(form: URLSearchParams, problem: Problem | undefined, link: WholeLink): FormState {
  if (problem?.code !== 'changed-meanwhile') return { values: withRowsInOrder(form), problem };
  const detail = `${whyNotSaved(link)}, so nothing is saved yet. Below is the link as it is now, with your changes in it. ${whatToDo(link)}`;
  return { values: toForm(rebased(form, link)), problem: new Problem('changed-meanwhile', { detail }) };
}

function whyNotSaved({ deleted_at: deletedAt, blocked }: WholeLink): string {
  if (deletedAt !== null) return 'This link was deleted meanwhile';
  if (blocked !== null) return 'An administrator has blocked this link meanwhile';
  return 'Somebody else has changed this link meanwhile';
}

/** To save the same again is advice only where that is not refused again. */
function whatToDo({ deleted_at: deletedAt, blocked }: WholeLink): string {
  if (deletedAt !== null) return 'Restore it in another tab first, then save again.';
  return blocked === null
    ? 'Look at it and save again.'
    : 'It can be saved when the link is not blocked any more.';
}

/** A form without a version is none of ours: it is of no state. */
function ifMatch(form: URLSearchParams): { 'if-match': string } {
  return { 'if-match': form.get(ABOUT.version) ?? '' };
}

function doneWith(key: string, done: keyof typeof DONE): PageReply {
  return { location: `${pathOfLink(key)}?done=${done}` };
}

async function viewOf(
  request: PageRequest,
  { done }: { readonly done?: string | undefined },
): Promise<LinkView> {
  const { call, params, query } = request;
  const key = params['key'] ?? '';
  const reply = await call('getLink', { params: { key } });
  const answered = { body: reply.body as WholeLink, etag: reply.headers?.['ETag'] ?? '' };
  const nowMs = Date.now();
  const asked = { period: query.get('period') ?? undefined, tz: query.get('tz') ?? undefined };
  const period = periodOf(asked, new Date(answered.body.created_at), nowMs);
  const only = DIMENSION_NAMES.find((name) => name === query.get('by'));
  const shown = await readClicks(period, only, async (asked) =>
    call('getCharts', { params: { key: answered.body.unique_id }, query: asked }),
  );
  return {
    answered,
    done,
    nowMs,
    isForAdmin: isAdmin(request.identity),
    statistics: { path: pathOfLink(answered.body.unique_id), period, shown, only, none: NO_CLICKS },
  };
}
