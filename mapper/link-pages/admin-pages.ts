import { clicks } from '../charts/clicks.ts';
import { attributes, html, type Html } from '../http/html.ts';
import { Problem } from '../http/problem.ts';
import { button, foreignText, moment, pagination, table } from '../pages/components.ts';
import type { FormRequest, PageReply, PageRequest, PageRoutes } from '../pages/page-routes.ts';
import { adminPage, givenQuery, listed, listOf, pagesOf, type AdminPage, type List } from './admin-frame.ts';
import { adminPathOfLink } from './paths.ts';

interface AdminUser {
  readonly user_id: string;
  readonly email: string;
  readonly created_at: string;
  readonly disabled_at: string | null;
}

const ADMIN = { for: 'admin', isShared: true } as const;
const ADMIN_ONLY = { for: 'admin' } as const;

/** What only administrators see, without the links and the domains. */
export function addAdminPages(pages: PageRoutes): void {
  pages.get('/admin', ADMIN_ONLY, async () => Promise.resolve({ location: '/admin/links' }));
  pages.get('/admin/users', ADMIN, async (request) => usersPage(request));
  pages.post('/admin/users/:id', ADMIN, changeUser);
  pages.get('/admin/reports', ADMIN, async ({ call, query }) => {
    const given = givenQuery(query, ['unique_id', 'cursor']);
    const { list, problem } = await listOf<Report>(call, 'listReports', given);
    return reportsPage(given, list, problem);
  });
  pages.get('/admin/orphans', ADMIN, orphansPage);
}

async function usersPage(
  { call, query }: PageRequest,
  fault?: Problem,
): Promise<ReturnType<typeof adminPage>> {
  const given = givenQuery(query, ['q', 'disabled', 'cursor']);
  const { list, problem } = await listOf<AdminUser>(call, 'listUsers', given);
  const done = { disabled: 'The user is disabled.', enabled: 'The user may come in again.' }[
    query.get('done') ?? ''
  ];
  return adminPage({
    title: 'Users',
    path: '/admin/users',
    done,
    problem: fault ?? problem,
    content: html`<form method="get" action="/admin/users" class="search" role="search">
<div class="field"><label for="field-q">Email begins with</label><input id="field-q" name="q" value="${given['q'] ?? ''}" maxlength="254" autocomplete="off"></div>
${chooser(
  'disabled',
  'State',
  [
    ['', 'All'],
    ['true', 'Disabled'],
    ['false', 'Not disabled'],
  ],
  given['disabled'],
)}
${button('Search', { kind: 'plain' })}</form>
${listed(list.items, problem, 'No user is like that.', usersTable)}
${pagination(pagesOf('/admin/users', given, list.next_cursor))}`,
  });
}

function usersTable(users: readonly AdminUser[]): Html {
  return table(
    'Users',
    [{ label: 'Email' }, { label: 'Since' }, { label: 'State' }, { label: 'What to do', hasButtons: true }],
    users.map(({ user_id: id, email, created_at: at, disabled_at: disabledAt }) => {
      const isDisabled = disabledAt !== null;
      const label = isDisabled ? 'Let in again' : 'Disable';
      const kind = isDisabled ? 'plain' : 'danger';
      return [
        html`<a href="/admin/links?owner=${id}">${foreignText(email)}</a>`,
        moment(at),
        isDisabled ? html`disabled ${moment(disabledAt)}` : 'active',
        html`<form method="post" action="/admin/users/${id}"><input type="hidden" name="disabled" value="${String(!isDisabled)}">${button(
          label,
          { kind, isSmall: true, fullLabel: `${label}: ${email}` },
        )}</form>`,
      ];
    }),
    { isCaptionSeen: false },
  );
}

async function changeUser(request: FormRequest): Promise<PageReply> {
  const { call, params, form } = request;
  const disabled = form.get('disabled') === 'true';
  try {
    await call('changeUser', { params: { user_id: params['id'] ?? '' }, body: { disabled } });
    return { location: `/admin/users?done=${disabled ? 'disabled' : 'enabled'}` };
  } catch (error) {
    if (!(error instanceof Problem) || error.status !== 422) throw error;
    return usersPage(request, error);
  }
}

interface Report {
  readonly unique_id: string;
  readonly reason: string;
  readonly created_at: string;
}

function reportsPage(
  given: Readonly<Record<string, string>>,
  { items, next_cursor: next }: List<Report>,
  problem: AdminPage['problem'],
): ReturnType<typeof adminPage> {
  const none = `Nobody has reported ${given['unique_id'] === undefined ? 'a link' : 'this link'}.`;
  return adminPage({
    title: 'Reports',
    path: '/admin/reports',
    problem,
    content: html`<form method="get" action="/admin/reports" class="search" role="search">
<div class="field"><label for="field-unique_id">Key of a link</label><input id="field-unique_id" name="unique_id" value="${given['unique_id'] ?? ''}" maxlength="255" autocomplete="off"></div>${button('Search', { kind: 'plain' })}</form>
${listed(items, problem, none, reportsTable)}${pagination(pagesOf('/admin/reports', given, next))}
<p class="quiet">Reports are kept for 90 days. Nothing is stored about who sent them.</p>`,
  });
}

function reportsTable(reports: readonly Report[]): Html {
  const rows = reports.map(({ unique_id: key, reason, created_at: at }) => [
    moment(at),
    html`<a href="${adminPathOfLink(key)}">${foreignText(key)}</a>`,
    foreignText(reason),
  ]);
  return table('Reports', [{ label: 'When' }, { label: 'Link' }, { label: 'What somebody says' }], rows, {
    isCaptionSeen: false,
  });
}

interface Orphan {
  readonly unique_id: string;
  readonly state: string;
  readonly asked: number;
}

async function orphansPage({ call, query }: PageRequest): Promise<PageReply> {
  const given = givenQuery(query, ['day', 'state']);
  const { list, problem } = await listOf<Orphan>(call, 'listOrphans', given);
  const day = given['day'] ?? new Date().toISOString().slice(0, 10);
  return adminPage({
    title: 'Asked in vain',
    path: '/admin/orphans',
    problem,
    content: html`<p>Keys that people asked for on one day of UTC, and that do not exist or have expired.</p>
<form method="get" action="/admin/orphans" class="search">
<div class="field"><label for="field-day">Day</label><input id="field-day" name="day" type="date" value="${day}"></div>
${chooser(
  'state',
  'State',
  [
    ['', 'Both'],
    ['unknown', 'Unknown'],
    ['expired', 'Expired'],
  ],
  given['state'],
)}
${button('Show', { kind: 'plain' })}</form>
${listed(list.items, problem, 'Nobody asked for such a key.', orphansTable)}`,
  });
}

function orphansTable(orphans: readonly Orphan[]): Html {
  const rows = orphans.map(({ unique_id: key, state, asked }) => [
    foreignText(key),
    state === 'expired' ? html`<a href="${adminPathOfLink(key)}">expired</a>` : state,
    clicks(asked),
  ]);
  return table('Keys', [{ label: 'Key' }, { label: 'State' }, { label: 'Asked', isNumber: true }], rows, {
    isCaptionSeen: false,
  });
}

function chooser(
  name: string,
  label: string,
  choices: readonly (readonly [string, string])[],
  chosen = '',
): Html {
  return html`<div class="field"><label for="field-${name}">${label}</label><select id="field-${name}" name="${name}">${choices.map(
    ([value, text]) => html`<option ${attributes({ value, selected: value === chosen })}>${text}</option>`,
  )}</select></div>`;
}
