import type { AnsweredLink } from '../api/link-answers.ts';
import { clicks } from '../charts/clicks.ts';
import { html, type Html, type HtmlValue } from '../http/html.ts';
import {
  button,
  card,
  copyField,
  facts,
  foreignText,
  moment,
  notice,
  postButton,
  urlText,
} from '../pages/components.ts';
import { faultsOf, freshForm, hidden, type FormState } from '../pages/form.ts';
import type { Page } from '../pages/layout.ts';
import { withPasswordAsked } from '../pages/password-field.ts';
import type { WholeLink } from '../shorten/whole-link.ts';
import { LABELS, linkFields } from './form-fields.ts';
import { ABOUT, toForm, valuesOf } from './link-form.ts';
import { stateOf } from './link-state.ts';
import { pathOfLink } from './paths.ts';
import { statisticsSection, type StatisticsView } from './statistics-view.ts';

export interface LinkView {
  readonly answered: AnsweredLink;
  readonly statistics: StatisticsView;
  /** What is wrong with a change; undefined: the form shows the link. */
  readonly state?: FormState | undefined;
  /** Why it was not deleted or restored. */
  readonly refusal?: string | undefined;
  /** What has just happened to the link. */
  readonly done?: string | undefined;
  readonly nowMs: number;
  /** Only administrators change blocked links. */
  readonly isForAdmin: boolean;
}

/** The page of a link: what it is, how it is changed, and how often it was followed. */
export function linkPage({ answered, statistics, state, refusal, done, nowMs, isForAdmin }: LinkView): Page {
  const { body: link, etag } = answered;
  const { sentence } = stateOf(link, nowMs);
  const name = link.title ?? link.unique_id;
  const path = pathOfLink(link.unique_id);
  const isChangeable = link.deleted_at === null && (link.blocked === null || isForAdmin);
  return {
    title: shortened(name),
    content: html`<p class="trail"><a href="/urls">My links</a></p>
<h1 class="foreign">${foreignText(name)}</h1>
${refusal !== undefined && notice('fault', html`<p>${refusal}</p>`)}
${done !== undefined && notice('good', html`<p>${done}</p>`)}
${sentence !== undefined && notice('info', html`<p>${foreignText(sentence)}</p>`)}
<div class="link-page">
<div>${card('Short link', about(link))}
${state === undefined ? statisticsSection(statistics) : changeCard(link, etag, state)}
${state === undefined && liveCard(path)}</div>
<div>${qrCard(link, path)}
${state === undefined && isChangeable && changeCard(link, etag, undefined)}
${endCard(link, etag, path)}</div>
</div>`,
  };
}

function about(link: WholeLink): Html {
  const optional = (name: string, value: HtmlValue, isThere: boolean): [string, HtmlValue][] =>
    isThere ? [[name, value]] : [];
  return html`${copyField('short-url', 'Short URL', link.short_url, { isLabelSeen: false })}
${facts([
  [
    'Leads to',
    html`<a class="clamp" href="${link.long_url}" rel="noreferrer nofollow">${urlText(link.long_url)}</a>`,
  ],
  ...optional('Tags', tagsOf(link.tags), link.tags.length > 0),
  ['Clicks', `${clicks(link.clicks.humans)} by people, ${clicks(link.clicks.bots)} by bots`],
  ['Made', moment(link.created_at)],
  ...optional('Changed', moment(link.updated_at), link.version > 1),
  ...optional('Valid from', link.valid_from !== null && moment(link.valid_from), link.valid_from !== null),
  ...optional(
    'Expires',
    link.expiration_date !== null && moment(link.expiration_date),
    link.expiration_date !== null,
  ),
  ...optional(
    'Then leads to',
    link.expired_url !== null && urlText(link.expired_url),
    link.expired_url !== null,
  ),
  ...optional(
    'Visits left',
    `${clicks(link.visits_left ?? 0)} of ${clicks(link.max_visits ?? 0)}`,
    link.max_visits !== null,
  ),
  ...optional('Password', 'is asked for', link.has_password),
  ...optional('Redirect', String(link.redirect_type), link.redirect_type !== 302),
  ...optional('Query', 'is handed on', link.forward_query),
  ...optional('Search engines', 'are told not to show it', link.noindex),
  ...link.targets.map(({ when, long_url: to }): [string, HtmlValue] => [
    'Leads some to',
    html`${urlText(to)} <small>${foreignText(Object.values(when).flat().join(', '))}</small>`,
  ]),
])}`;
}

/** Tags as links to the list of all links with them. */
export function tagsOf(tags: readonly string[]): HtmlValue {
  return tags.map(
    (tag) =>
      html`<a class="chip" href="/urls?${new URLSearchParams({ tag, state: 'all' }).toString()}">${foreignText(tag)}</a> `,
  );
}

function qrCard({ short_url: shortUrl }: WholeLink, path: string): Html {
  return card(
    'QR code',
    html`<img class="qr" src="${path}/qr.svg?margin=2" width="192" height="192" loading="lazy" alt="QR code of ${shortUrl}">
<p class="row"><a href="${path}/qr.svg" download="qr.svg">SVG</a> <a href="${path}/qr.png?size=1024" download="qr.png">PNG</a></p>`,
  );
}

/** Scripts fill it in: without them nobody sees it. */
function liveCard(path: string): Html {
  return html`<section class="card" data-live="${path}/clicks/live" data-scripted hidden><h2>Live clicks</h2>
<p class="quiet" data-live-state role="status">Connecting …</p><ol class="live" aria-live="polite" aria-relevant="additions"></ol></section>`;
}

/** @param state of a change that was refused: then it stands above everything else */
function changeCard(link: WholeLink, etag: string, state: FormState | undefined): Html {
  const path = pathOfLink(link.unique_id);
  const shown = withPasswordAsked(state ?? freshForm(valuesOf(link)));
  const form = html`<form method="post" action="${path}">
${faultsOf(shown, LABELS)}${hidden(ABOUT.version, etag)}${hidden(ABOUT.shown, toForm(valuesOf(link)).toString())}
${linkFields({
  state: shown,
  isImage: link.image !== null,
  link: { tags: link.tags, hasPassword: link.has_password },
})}
${button('Save')}</form>`;
  return card('Change', form, { id: 'change' });
}

function endCard({ deleted_at: deletedAt }: WholeLink, etag: string, path: string): Html {
  if (deletedAt !== null)
    return card(
      'Restore',
      html`<p>Everything is as it was before.</p>${postButton(`${path}/restore`, 'Restore')}`,
    );
  return card(
    'Delete',
    html`<p>Nobody can follow it any more. You can restore it for 30 days, and nobody else ever gets its key.</p>
<form method="post" action="${path}/delete">${hidden(ABOUT.version, etag)}${button('Delete', { kind: 'danger' })}</form>`,
  );
}

/** A title of a window has no room for more. */
function shortened(text: string): string {
  // A character of which one half is cut off is shown as one that is not known.
  return text.length <= 80 ? text : `${text.slice(0, 79).toWellFormed()}…`;
}
