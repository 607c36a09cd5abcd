import { clicks } from '../charts/clicks.ts';
import { hostName } from '../charts/host-name.ts';
import { html, type Html, type HtmlValue } from '../http/html.ts';
import type { Problem } from '../http/problem.ts';
import {
  button,
  card,
  facts,
  foreignText,
  moment,
  notice,
  pagination,
  postButton,
  table,
} from '../pages/components.ts';
import { field, form, freshForm, textArea, type FormState } from '../pages/form.ts';
import type { Page } from '../pages/layout.ts';
import type { PageRequest, PageRoutes } from '../pages/page-routes.ts';
import { given, tryForm } from '../pages/try-form.ts';
import { adminPage, givenQuery, listOf, pagesOf } from './admin-frame.ts';

/** The domains to which no link may point, as administrators see them. */
export interface ShownDomains {
  /** The list of `KEYMILL_BLOCKED_DOMAINS`. */
  readonly file: {
    /** Whether there is one. */
    readonly isConfigured: boolean;
    readonly size: number;
    /** Whether the file could be read when it was last looked at. */
    readonly isReadable: boolean;
  };
  /** Whether links to this host are blocked. @param host as in `URL.hostname` */
  readonly isBlockedHost: (host: string) => boolean;
}

interface BlockedDomain {
  readonly domain: string;
  readonly note: string | null;
  readonly blocked_by: { readonly user_id: string; readonly email: string | null };
  readonly blocked_at: string;
}

const PATH = '/admin/domains';
const ADMIN = { for: 'admin', isShared: true } as const;
const LABELS = { domain: 'Domain', note: 'Why' } as const;
const DONE: Readonly<Record<string, string>> = {
  blocked: 'The domain is blocked. All mappers know it within two seconds.',
  unblocked: 'The domain is not in the list any more. All mappers know it within two seconds.',
};

/** The domains that are blocked: by whom, when and why. */
export function addDomainPages(pages: PageRoutes, domains: ShownDomains): void {
  const show = async ({ call, query }: PageRequest, state: FormState): Promise<Page> => {
    const choice = givenQuery(query, ['cursor']);
    const { list, problem } = await listOf<BlockedDomain>(call, 'listBlockedDomains', choice);
    return domainsPage({
      domains,
      state,
      problem,
      blocked: list.items,
      pages: pagination(pagesOf(PATH, choice, list.next_cursor)),
      asked: query.get('host')?.trim() ?? '',
      done: DONE[query.get('done') ?? ''],
    });
  };
  pages.get(PATH, ADMIN, async (request) => show(request, freshForm()));
  pages.post(PATH, ADMIN, async (request) =>
    tryForm(
      request.form,
      async () => {
        const note = given(request.form, 'note');
        const body = { domain: given(request.form, 'domain') ?? '', ...(note !== null && { note }) };
        await request.call('blockDomain', { body });
        return { location: `${PATH}?done=blocked` };
      },
      async (state) => show(request, state),
    ),
  );
  pages.post(`${PATH}/:domain/unblock`, { for: 'admin' }, async ({ call, params }) => {
    await call('unblockDomain', { params: { domain: params['domain'] ?? '' } });
    return { location: `${PATH}?done=unblocked` };
  });
}

interface DomainsView {
  readonly domains: ShownDomains;
  readonly state: FormState;
  readonly problem: Problem | undefined;
  readonly blocked: readonly BlockedDomain[];
  readonly pages: HtmlValue;
  /** The host for which somebody asks; empty: none. */
  readonly asked: string;
  readonly done: string | undefined;
}

function domainsPage({ domains, state, problem, blocked, pages, asked, done }: DomainsView): Page {
  const blocking = form(
    { action: PATH, state, labels: LABELS, submit: 'Block' },
    html`${field({ name: 'domain', label: LABELS.domain, state, hint: 'such as example.com, with all names below it', isRequired: true })}
${textArea({ name: 'note', label: LABELS.note, state, hint: 'for other administrators', rows: 2 })}`,
  );
  return adminPage({
    title: 'Blocked domains',
    path: PATH,
    done,
    problem,
    content: html`<p>No link may point at these domains, and links that do are not followed.</p>
${blocked.length === 0 ? html`<p>No administrator has blocked a domain.</p>` : tableOf(blocked)}${pages}
${card('Block a domain', blocking)}
${card('Look a domain up', questionOf(domains, asked))}
${fileOf(domains.file)}`,
  });
}

function tableOf(blocked: readonly BlockedDomain[]): Html {
  return table(
    'Blocked domains',
    [
      { label: 'Domain' },
      { label: 'Why' },
      { label: 'By' },
      { label: 'Since' },
      { label: 'What to do', hasButtons: true },
    ],
    blocked.map(({ domain, note, blocked_by: by, blocked_at: at }) => [
      html`<bdi>${hostName(domain)}</bdi>`,
      note === null ? html`<span class="quiet">not said</span>` : foreignText(note),
      by.email === null
        ? html`<span class="quiet">an account that is gone</span>`
        : html`<span class="foreign">${foreignText(by.email)}</span>`,
      moment(at),
      postButton(`${PATH}/${encodeURIComponent(domain)}/unblock`, 'Unblock', {
        kind: 'plain',
        isSmall: true,
        fullLabel: `Unblock ${domain}`,
      }),
    ]),
    { isCaptionSeen: false },
  );
}

function questionOf({ isBlockedHost }: ShownDomains, asked: string): Html {
  const host = asked === '' ? undefined : URL.parse(`http://${asked.replace(/^https?:\/\//i, '')}`)?.hostname;
  const answer =
    host === undefined
      ? asked !== '' && notice('fault', html`<p>This is no domain: ${foreignText(asked)}</p>`)
      : notice(
          'info',
          html`<p>Links to ${foreignText(host)} are ${isBlockedHost(host) ? 'blocked' : 'allowed'}.</p>`,
        );
  return html`<form method="get" action="${PATH}" class="search">
<div class="field"><label for="field-host">Is this domain blocked?</label><input id="field-host" name="host" value="${asked}" maxlength="253" placeholder="example.com" autocomplete="off"></div>${button(
    'Ask',
    { kind: 'plain' },
  )}</form>${answer}`;
}

/** The file is the operator's: it is shown here, and changed there. */
function fileOf({ isConfigured, size, isReadable }: ShownDomains['file']): Html {
  if (!isConfigured)
    return html`<p class="quiet">The operator has no list of his own (KEYMILL_BLOCKED_DOMAINS).</p>`;
  return card(
    'The list of the operator',
    facts([
      ['Domains', clicks(size)],
      ['File', isReadable ? 'is read again when it changes' : 'cannot be read: the last list is in use'],
    ]),
  );
}
