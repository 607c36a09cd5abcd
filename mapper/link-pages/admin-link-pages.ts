import type { AdminLink } from '../api/admin-links.ts';
import { clicks } from '../charts/clicks.ts';
import { attributes, html, type Html, type HtmlValue } from '../http/html.ts';
import { Problem } from '../http/problem.ts';
import {
  button,
  buttonLink,
  card,
  facts,
  foreignText,
  moment,
  pagination,
  table,
  urlText,
} from '../pages/components.ts';
import { faultsOf, field, freshForm, hidden, type FormState } from '../pages/form.ts';
import type { FormRequest, PageReply, PageRequest, PageRoutes } from '../pages/page-routes.ts';
import { tryForm } from '../pages/try-form.ts';
import { adminPage, givenQuery, pagesOf } from './admin-frame.ts';
import { ABOUT } from './link-form.ts';
import { stateOf } from './link-state.ts';
import { adminPathOfLink, pathOfLink } from './paths.ts';

const ADMIN = { for: 'admin', isShared: true } as const;
const FILTERS = ['q', 'host', 'owner', 'unique_id', 'state'] as const;
const STATES = [
  ['', 'All'],
  ['active', 'Active'],
  ['expired', 'Expired'],
  ['disabled', 'Switched off or blocked'],
  ['blocked', 'Blocked'],
  ['deleted', 'Deleted'],
] as const;
/** A search for what is rare reads all links, and a page of it may be empty. */
const MAX_EMPTY_PAGES = 5;

interface LinkList {
  readonly items: readonly AdminLink[];
  readonly next_cursor: string | null;
}

/** `/admin/links`: finds links of everybody, and blocks them. */
export function addAdminLinkPages(pages: PageRoutes): void {
  pages.get('/admin/links', ADMIN, listLinks);
  pages.get('/admin/links/:key', ADMIN, async (request) => {
    const done = { blocked: 'Blocked.', unblocked: 'The link is as it was before.' }[
      request.query.get('done') ?? ''
    ];
    return linkPage(request, freshForm(), done);
  });
  pages.post('/admin/links/:key', ADMIN, block);
}

async function listLinks({ call, query }: PageRequest): Promise<PageReply> {
  const given = givenQuery(query, [...FILTERS, 'cursor']);
  let list: LinkList = { items: [], next_cursor: null };
  let problem: Problem | undefined;
  try {
    list = await search(call, given);
  } catch (error) {
    if (!(error instanceof Problem) || error.status !== 422) throw error;
    problem = error;
  }
  return adminPage({
    title: 'Links of everybody',
    path: '/admin/links',
    problem,
    content: html`${searchForm(given)}${listOf(list, problem !== undefined)}
${pagination(pagesOf('/admin/links', given, list.next_cursor))}`,
  });
}

async function search(call: PageRequest['call'], given: Readonly<Record<string, string>>): Promise<LinkList> {
  let query = given;
  for (let pages = 1; ; pages += 1) {
    const list = (await call('findLinks', { query })).body as LinkList;
    if (list.items.length > 0 || list.next_cursor === null || pages === MAX_EMPTY_PAGES) return list;
    query = { ...given, cursor: list.next_cursor };
  }
}

function searchForm(given: Readonly<Record<string, string>>): Html {
  const text = (name: string, label: string, placeholder: string): Html =>
    html`<div class="field"><label for="field-${name}">${label}</label><input id="field-${name}" name="${name}" value="${given[name] ?? ''}" placeholder="${placeholder}" maxlength="254" autocomplete="off"></div>`;
  return html`<form method="get" action="/admin/links" class="search" role="search">
${text('q', 'Search', 'title, target, key')}
${text('host', 'Host', 'example.com')}
${text('owner', 'Owner', 'email or id')}
${text('unique_id', 'Key', 'QFXOHkP7')}
<div class="field"><label for="field-state">State</label><select id="field-state" name="state">${STATES.map(
    ([value, label]) =>
      html`<option ${attributes({ value, selected: value === (given['state'] ?? '') })}>${label}</option>`,
  )}</select></div>
${button('Search', { kind: 'plain' })}</form>`;
}

function listOf({ items, next_cursor: next }: LinkList, hasProblem: boolean): HtmlValue {
  if (hasProblem) return undefined;
  if (items.length === 0)
    return html`<p>${next === null ? 'No link is like that.' : 'Nothing is found yet. There are further links to look through.'}</p>`;
  const nowMs = Date.now();
  return table(
    'Links',
    [
      { label: 'Link' },
      { label: 'Target' },
      { label: 'Clicks', isNumber: true },
      { label: 'State' },
      { label: 'Made' },
    ],
    items.map((link) => [
      html`<a href="${adminPathOfLink(link.unique_id)}">${foreignText(link.unique_id)}</a>`,
      html`<span class="clamp">${urlText(link.long_url)}</span>`,
      clicks(link.clicks.total),
      stateOf(link, nowMs).name,
      moment(link.created_at),
    ]),
    { isCaptionSeen: false },
  );
}

async function block(request: FormRequest): Promise<PageReply> {
  const { call, params, form } = request;
  const key = params['key'] ?? '';
  const isBlocked = form.get('blocked') === 'true';
  const reason = form.get('reason')?.trim() ?? '';
  const send = async (): Promise<PageReply> => {
    await call('blockLink', {
      params: { key },
      body: { blocked: isBlocked, ...(isBlocked && { reason }) },
      headers: { 'if-match': form.get(ABOUT.version) ?? '' },
    });
    return { location: `${adminPathOfLink(key)}?done=${isBlocked ? 'blocked' : 'unblocked'}` };
  };
  return tryForm(form, send, async (state) => linkPage(request, inWords(state), undefined));
}

function inWords(state: FormState): FormState {
  if (state.problem?.code !== 'changed-meanwhile') return state;
  const detail = 'The link has changed meanwhile. Look at it, and send this again.';
  return { ...state, problem: new Problem('changed-meanwhile', { detail }) };
}

async function linkPage(
  { call, params }: PageRequest,
  state: FormState,
  done: string | undefined,
): Promise<ReturnType<typeof adminPage>> {
  const { body, headers } = await call('readLink', { params: { key: params['key'] ?? '' } });
  const link = body as AdminLink;
  const { sentence } = stateOf(link, Date.now());
  return adminPage({
    title: link.unique_id,
    path: '/admin/links',
    done,
    content: html`${card(
      'What it is',
      facts([
        ['Short URL', urlText(link.short_url)],
        ['Leads to', urlText(link.long_url)],
        ['Title', foreignText(link.title ?? 'none')],
        ['State', foreignText(sentence ?? 'can be followed')],
        [
          'Owner',
          link.user_id === null
            ? 'nobody'
            : html`<a href="/admin/links?owner=${link.user_id}">${link.user_id}</a>`,
        ],
        ['Clicks', `${clicks(link.clicks.humans)} by people, ${clicks(link.clicks.bots)} by bots`],
        ['Made', moment(link.created_at)],
      ]),
    )}${blockCard(link, headers?.['ETag'] ?? '', state)}
<p class="row">${buttonLink(pathOfLink(link.unique_id), 'Clicks, and everything else', { kind: 'plain' })}${buttonLink(
      `/admin/reports?unique_id=${encodeURIComponent(link.unique_id)}`,
      'Reports',
      { kind: 'plain' },
    )}</p>`,
  });
}

const LABELS = { reason: 'Reason' };

function blockCard({ unique_id: key, blocked }: AdminLink, etag: string, state: FormState): Html {
  const isBlocked = blocked !== null;
  const fields = isBlocked
    ? html`<p>Then it can be followed as before, and its owner may change it.</p>`
    : field({
        name: 'reason',
        label: LABELS.reason,
        hint: 'its owner sees it',
        isRequired: true,
        maxLength: 500,
        state,
      });
  return card(
    isBlocked ? 'Let it be followed again' : 'Block it',
    html`<form method="post" action="${adminPathOfLink(key)}">${faultsOf(state, LABELS)}
${hidden(ABOUT.version, etag)}${hidden('blocked', String(!isBlocked))}${fields}
${button(isBlocked ? 'Let it be followed' : 'Block', { kind: isBlocked ? 'plain' : 'danger' })}</form>`,
  );
}
