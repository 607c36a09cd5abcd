import { SCOPES, type Scope } from '../auth/scopes.ts';
import { html, type Html } from '../http/html.ts';
import { invalidFields } from '../http/problem.ts';
import { buttonLink, card, copyField, foreignText, moment, notice, postButton, table } from './components.ts';
import { checkboxes, field, form, freshForm, select, type FormState } from './form.ts';
import type { Page } from './layout.ts';
import { isAdmin, type PageRequest, type PageRoutes } from './page-routes.ts';
import { settingsPage } from './settings-frame.ts';
import { tryForm } from './try-form.ts';

const PATH = '/settings/keys';
const SIGNED_IN = { for: 'signed-in' } as const;
const LABELS = { name: 'Name', scopes: 'What it may do', expires_in: 'Ends' };
const DAY_MS = 86_400_000;

const LIVES = [
  ['30', 'After 30 days'],
  ['90', 'After 90 days'],
  ['365', 'After a year'],
  ['', 'Never'],
] as const;

const MEANINGS: Readonly<Record<Scope, string>> = {
  'links:create': 'make links and images, and nothing else',
  'links:read': 'read your links',
  'links:write': 'also make, change, delete and restore them',
  'stats:read': 'read who follows them',
  account: 'your profile, keys and webhooks',
  admin: 'everything, of everybody',
};

/** What the API says of a key. */
interface ApiKey {
  readonly key_id: string;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly created_at: string;
  readonly expires_at: string | null;
  readonly last_used_at: string | null;
}

/** `/settings/keys`. A new key is shown in the answer to its form: no other address may know it. */
export function addKeyPages(pages: PageRoutes): void {
  const show = async (request: PageRequest, state: FormState): Promise<Page> => {
    const { items } = (await request.call('listKeys')).body as { items: readonly ApiKey[] };
    const isRevoked = request.query.get('done') === 'revoked';
    const scopes = SCOPES.filter((scope) => scope !== 'admin' || isAdmin(request.identity));
    const content = html`${isRevoked && notice('good', html`<p>The key is revoked.</p>`)} ${listOf(items)}
    ${card('New key', newKeyForm(state, scopes))}`;
    return settingsPage(PATH, 'API keys', content);
  };
  pages.get(PATH, SIGNED_IN, async (request) => show(request, freshForm({ expires_in: '90' })));
  pages.post(PATH, SIGNED_IN, async (request) =>
    tryForm(
      request.form,
      async () => {
        const { body } = await request.call('createKey', { body: toBody(request.form) });
        return settingsPage(PATH, 'Your new key', newKey(body as ApiKey & { secret: string }));
      },
      async (state) => show(request, state),
      { expires_at: 'expires_in' },
    ),
  );
  pages.get(`${PATH}/:id/revoke`, SIGNED_IN, async ({ params, call }) => {
    const { items } = (await call('listKeys')).body as { items: readonly ApiKey[] };
    const key = items.find(({ key_id: id }) => id === params['id']);
    if (key === undefined) return { location: PATH };
    const content = html`<div class="card">
      <h2>Revoke ${foreignText(key.name)}?</h2>
      <p>Programs that use it are refused from then on. So are those with keys that were made with it.</p>
      <div class="row">
        ${postButton(`${PATH}/${encodeURIComponent(key.key_id)}/revoke`, 'Revoke the key', { kind: 'danger' })}
        ${buttonLink(PATH, 'Keep it', { kind: 'plain' })}
      </div>
    </div>`;
    return settingsPage(PATH, 'Revoke a key', content);
  });
  pages.post(`${PATH}/:id/revoke`, SIGNED_IN, async ({ params, call }) => {
    await call('revokeKey', { params: { key_id: params['id'] ?? '' } });
    return { location: `${PATH}?done=revoked` };
  });
}

/** @throws Problem 422 for an end that cannot be chosen: it must not mean a key that never ends */
function toBody(values: URLSearchParams) {
  const chosen = values.get('expires_in');
  if (chosen === null || !LIVES.some(([value]) => value === chosen))
    throw invalidFields([{ field: 'expires_in', reason: 'must be one of the choices' }]);
  const days = Number(chosen);
  return {
    name: values.get('name')?.trim() ?? '',
    scopes: values.getAll('scopes'),
    expires_at: days === 0 ? null : new Date(Date.now() + days * DAY_MS).toISOString(),
  };
}

function listOf(keys: readonly ApiKey[]): Html {
  if (keys.length === 0)
    return html`<p>You have no API key. Programs need one to work with <a href="/docs">the API</a>.</p>`;
  const columns = [
    { label: 'Name' },
    { label: 'May' },
    { label: 'Last used' },
    { label: 'Ends' },
    { label: 'Revoke', hasButtons: true },
  ];
  const rows = keys.map((key) => [
    html`${foreignText(key.name)}<br /><code class="quiet">km_${key.key_id}…</code>`,
    key.scopes.join(', '),
    key.last_used_at === null ? 'never' : moment(key.last_used_at),
    key.expires_at === null ? 'never' : moment(key.expires_at),
    buttonLink(`${PATH}/${encodeURIComponent(key.key_id)}/revoke`, 'Revoke', {
      kind: 'danger',
      isSmall: true,
      fullLabel: `Revoke ${key.name}`,
    }),
  ]);
  return html`<div class="card">${table('Your API keys', columns, rows)}</div>`;
}

function newKeyForm(state: FormState, scopes: readonly Scope[]): Html {
  return form({ action: PATH, submit: 'Make the key', state, labels: LABELS }, [
    field({
      name: 'name',
      label: LABELS.name,
      hint: 'What uses it, such as: build server.',
      state,
      isRequired: true,
      maxLength: 100,
    }),
    checkboxes({
      name: 'scopes',
      label: LABELS.scopes,
      state,
      choices: scopes.map((scope) => [scope, scope, MEANINGS[scope]]),
    }),
    select({ name: 'expires_in', label: LABELS.expires_in, choices: LIVES, state }),
  ]);
}

function newKey({ name, secret }: ApiKey & { secret: string }): Html {
  return html`<div class="card">
    ${notice('good', html`<p>The key ${foreignText(name)} is made. It is shown only now: copy it.</p>`)}
    ${copyField('secret', 'API key', secret, { isSecret: true })}
    <p class="quiet">
      Programs send it as <code>Authorization: Bearer …</code> Do not load this page again: that makes another
      key.
    </p>
    <p>${buttonLink(PATH, 'I have copied it')}</p>
  </div>`;
}
