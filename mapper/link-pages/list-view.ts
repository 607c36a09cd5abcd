import { clicks } from '../charts/clicks.ts';
import { attributes, html, type Html, type HtmlValue } from '../http/html.ts';
import type { Problem } from '../http/problem.ts';
import { button, buttonLink, foreignText, moment, notice, pagination, urlText } from '../pages/components.ts';
import type { Page } from '../pages/layout.ts';
import type { WholeLink } from '../shorten/whole-link.ts';
import { stateOf } from './link-state.ts';
import { tagsOf } from './link-view.ts';
import { NEW_LINK_PATH, OVERVIEW_PATH, pathOfLink } from './paths.ts';

/** Which links a list shows: the parameters of its address. */
export interface ListChoice {
  readonly q: string;
  readonly tag: string;
  readonly state: string;
  /** '': the newest. */
  readonly cursor: string;
}

export interface ListView {
  readonly choice: ListChoice;
  readonly links: readonly WholeLink[];
  readonly nextCursor: string | null;
  readonly tags: readonly { readonly tag: string; readonly links: number }[];
  /** Why there is no list. */
  readonly problem?: Problem | undefined;
  /** What was chosen and typed in a form that was refused. */
  readonly chosen?: { readonly keys: ReadonlySet<string>; readonly tag: string };
  /** What has just been done. */
  readonly done?: string | undefined;
  readonly nowMs: number;
}

const STATES = [
  ['active', 'Active'],
  ['expired', 'Expired'],
  ['disabled', 'Switched off or blocked'],
  ['deleted', 'Deleted'],
  ['all', 'All'],
] as const;

/** The list of one's own links. */
export function listPage(view: ListView): Page {
  const { choice, links, nextCursor, problem, done } = view;
  const first = choice.cursor === '' ? {} : { first: pathOfList({ ...choice, cursor: '' }) };
  const next = nextCursor === null ? {} : { next: pathOfList({ ...choice, cursor: nextCursor }) };
  return {
    title: 'My links',
    ...(problem !== undefined && { status: problem.status, headers: problem.headers }),
    content: html`<div class="head"><h1>My links</h1>
<p class="row">${buttonLink(NEW_LINK_PATH, 'New link')}${buttonLink(OVERVIEW_PATH, 'Statistics', { kind: 'plain' })}${buttonLink('/import', 'Import', { kind: 'plain' })}</p></div>
${done !== undefined && notice('good', html`<p>${done}</p>`)}
${searchForm(view)}
${problem !== undefined && notice('fault', html`<p>${whyNoList(problem)}</p>`, { hasFocus: true })}
${links.length > 0 && listOf(view)}
${links.length === 0 && problem === undefined && nothing(choice, nextCursor !== null)}
${pagination({ ...first, ...next })}
<p class="quiet">All links as a file: <a href="/urls/export?format=csv" download>CSV</a> or <a href="/urls/export" download>NDJSON</a></p>`,
  };
}

/** The address of a list. */
export function pathOfList(choice: ListChoice, more: Readonly<Record<string, string>> = {}): string {
  const usual: ListChoice = { q: '', tag: '', state: 'active', cursor: '' };
  const given = Object.entries(choice).filter(([name, value]) => value !== usual[name as keyof ListChoice]);
  const query = new URLSearchParams([...(given as [string, string][]), ...Object.entries(more)]).toString();
  return query === '' ? '/urls' : `/urls?${query}`;
}

function whyNoList({ message, errors = [] }: Problem): string {
  const [fault] = errors;
  if (fault?.field === 'cursor') return 'This address is not of this list. Begin with the newest links.';
  return fault === undefined || fault.field === '' ? message : `What you look for ${fault.reason}.`;
}

function searchForm({ choice, tags }: ListView): Html {
  const option = (value: string, label: string, chosen: string): Html =>
    html`<option ${attributes({ value, selected: value === chosen })}>${label}</option>`;
  const isListed = choice.tag === '' || tags.some(({ tag }) => tag === choice.tag);
  return html`<form method="get" action="/urls" class="search" role="search">
<div class="field"><label for="field-q">Search</label><input id="field-q" name="q" type="search" value="${choice.q}" maxlength="200" placeholder="title, target or key" autocomplete="off"></div>
<div class="field"><label for="field-tag">Tag</label><select id="field-tag" name="tag">${[
    option('', 'Any', choice.tag),
    !isListed && option(choice.tag, choice.tag, choice.tag),
    tags.map(({ tag, links }) => option(tag, `${tag} (${clicks(links)})`, choice.tag)),
  ]}</select></div>
<div class="field"><label for="field-state">State</label><select id="field-state" name="state">${STATES.map(
    ([value, label]) => option(value, label, choice.state),
  )}</select></div>
${button('Search', { kind: 'plain' })}</form>`;
}

function nothing(choice: ListChoice, hasMore: boolean): Html {
  const isSearch = choice.q !== '' || choice.tag !== '' || choice.state !== 'active';
  if (hasMore)
    return html`<div class="card"><p>Nothing is found yet. There are older links to look through.</p></div>`;
  if (isSearch || choice.cursor !== '')
    return html`<div class="card"><p>No link is like that. <a href="/urls">Show all active links</a></p></div>`;
  return html`<div class="card"><p>You have no links yet.</p><p>${buttonLink(NEW_LINK_PATH, 'Make the first')}</p></div>`;
}

/** One form for the whole list: its buttons do something to the links that are chosen. */
function listOf({ choice, links, chosen, nowMs }: ListView): Html {
  const rows = links.map((link) => rowOf(link, chooseBox(link, chosen?.keys), nowMs));
  const areDeleted = choice.state === 'deleted';
  const mayBeDeleted = areDeleted || choice.state === 'all';
  return html`<form method="post" action="/urls/bulk">
${Object.entries(choice).map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`)}
<ul class="links">${rows}</ul>
<fieldset class="bulk"><legend>With the chosen links</legend>
<button type="button" class="button plain" data-chooses-all hidden>Choose all</button>
${!areDeleted && tagButtons(chosen?.tag ?? '')}
${mayBeDeleted && button('Restore', { kind: 'plain', name: 'action', value: 'restore' })}
${!areDeleted && button('Delete', { kind: 'danger', name: 'action', value: 'delete' })}
</fieldset></form>`;
}

function tagButtons(tag: string): Html {
  return html`<div class="field"><label for="field-bulk-tag">Tags, with commas between them</label><input id="field-bulk-tag" name="bulk_tag" value="${tag}" maxlength="1000" autocomplete="off"></div>
${button('Add tags', { kind: 'plain', name: 'action', value: 'add' })}
${button('Remove tags', { kind: 'plain', name: 'action', value: 'remove' })}`;
}

function chooseBox({ unique_id: key }: WholeLink, chosen: ReadonlySet<string> | undefined): Html {
  const checked = chosen?.has(key) === true;
  return html`<input type="checkbox" name="key" value="${key}" aria-label="Choose ${key}" ${attributes({ checked })}>`;
}

/** @param choose a box that chooses the link for what is done to several */
function rowOf(link: WholeLink, choose: HtmlValue, nowMs: number): Html {
  const name = link.title ?? link.long_url;
  const { name: state } = stateOf(link, nowMs);
  return html`<li class="card">${choose}<div class="what">
<a class="name foreign" href="${pathOfLink(link.unique_id)}">${foreignText(name)}</a>
<span class="short">${urlText(link.short_url)}<button type="button" class="button plain small" data-copies-text="${link.short_url}" aria-label="Copy ${link.short_url}" hidden>Copy</button></span>
${link.title !== null && html`<span class="target quiet">${urlText(link.long_url)}</span>`}
<span class="quiet marks">${marks(link, state)}${moment(link.created_at)}</span></div>
<p class="count"><b>${clicks(link.clicks.humans)}</b> <small>clicks</small></p></li>`;
}

function marks(link: WholeLink, state: string): HtmlValue {
  return [
    state !== 'active' && html`<span class="chip state">${state}</span> `,
    link.has_password && html`<span class="chip">password</span> `,
    link.image !== null && html`<span class="chip">image</span> `,
    tagsOf(link.tags),
  ];
}
