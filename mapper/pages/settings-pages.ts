import { html, type Html } from '../http/html.ts';
import { notice } from './components.ts';
import { checkbox, field, form, freshForm, type FormState } from './form.ts';
import { addKeyPages } from './key-pages.ts';
import type { Page } from './layout.ts';
import type { PageRequest, PageRoutes } from './page-routes.ts';
import { settingsPage } from './settings-frame.ts';
import { given, tryForm } from './try-form.ts';
import { addWebhookPages } from './webhook-pages.ts';

const PROFILE = { first_name: 'First name', middle_name: 'Middle name', last_name: 'Last name' };
const PASSWORD = { current: 'Current password', new: 'New password' };
const DELETION = { password: 'Password', delete_links: 'Delete my links too' };

const SIGNED_IN = { for: 'signed-in' } as const;

/** What the API says of a user. */
interface User {
  readonly email: string;
  readonly first_name: string | null;
  readonly middle_name: string | null;
  readonly last_name: string | null;
}

/** `/settings`: profile, password, API keys, webhooks, and the end of the account. */
export function addSettingsPages(pages: PageRoutes): void {
  pages.get('/settings', SIGNED_IN, async (request) => {
    const user = await profileOf(request);
    const { first_name, middle_name, last_name } = user;
    const state = freshForm({ first_name, middle_name, last_name });
    return profilePage(user, state, request.query.get('done') === 'saved');
  });
  pages.post('/settings', SIGNED_IN, async (request) =>
    tryForm(
      request.form,
      async () => {
        const names = Object.keys(PROFILE).map((name) => [name, given(request.form, name)]);
        await request.call('changeProfile', { body: Object.fromEntries(names) });
        return { location: '/settings?done=saved' };
      },
      async (state) => profilePage(await profileOf(request), state, false),
    ),
  );
  pages.get('/settings/password', SIGNED_IN, async (request) =>
    passwordPage(await profileOf(request), freshForm(), request.query.get('done') === 'changed'),
  );
  pages.post('/settings/password', SIGNED_IN, async (request) =>
    tryForm(
      request.form,
      async () => {
        const { form: fields, call } = request;
        const body = { current: fields.get('current') ?? '', new: fields.get('new') ?? '' };
        const { session } = await call('changePassword', { body });
        return { location: '/settings/password?done=changed', ...(session !== undefined && { session }) };
      },
      async (state) => passwordPage(await profileOf(request), state, false),
    ),
  );
  addKeyPages(pages);
  addWebhookPages(pages);
  pages.get('/settings/delete', SIGNED_IN, async (request) =>
    deletionPage(await profileOf(request), freshForm()),
  );
  pages.post('/settings/delete', SIGNED_IN, async (request) =>
    tryForm(
      request.form,
      async () => {
        const { form: fields, call } = request;
        const isAlso = fields.get('delete_links') === 'true';
        const body = { password: fields.get('password') ?? '', delete_links: isAlso };
        await call('deleteAccount', { body });
        return { location: '/login?done=deleted', session: null };
      },
      async (state) => deletionPage(await profileOf(request), state),
    ),
  );
}

async function profileOf({ call }: PageRequest): Promise<User> {
  return (await call('getProfile')).body as User;
}

/** For managers of passwords. */
function usernameOf({ email }: User): Html {
  return html`<input name="username" value="${email}" autocomplete="username" hidden />`;
}

function profilePage({ email }: User, state: FormState, isSaved: boolean): Page {
  return settingsPage(
    '/settings',
    'Profile',
    html`${isSaved && notice('good', html`<p>Your profile is saved.</p>`)}
      <div class="card">
        <p>You are signed in as <strong>${email}</strong>.</p>
        ${form({ action: '/settings', submit: 'Save', state, labels: PROFILE }, [
          field({ name: 'first_name', label: PROFILE.first_name, state, autocomplete: 'given-name' }),
          field({ name: 'middle_name', label: PROFILE.middle_name, state, autocomplete: 'additional-name' }),
          field({ name: 'last_name', label: PROFILE.last_name, state, autocomplete: 'family-name' }),
        ])}
      </div>`,
  );
}

function passwordPage(user: User, state: FormState, isChanged: boolean): Page {
  return settingsPage(
    '/settings/password',
    'Password',
    html`${
      isChanged &&
      notice('good', html`<p>Your password has changed. Everywhere else you must sign in again.</p>`)
    }
      <div class="card">
        <p class="quiet">Changing it ends all other sessions. API keys go on.</p>
        ${form({ action: '/settings/password', submit: 'Change the password', state, labels: PASSWORD }, [
          usernameOf(user),
          field({
            name: 'current',
            label: PASSWORD.current,
            type: 'password',
            state,
            autocomplete: 'current-password',
            isRequired: true,
          }),
          field({
            name: 'new',
            label: PASSWORD.new,
            type: 'password',
            hint: 'At least 10 characters, and not a common one.',
            state,
            autocomplete: 'new-password',
            isRequired: true,
            minLength: 10,
          }),
        ])}
      </div>`,
  );
}

function deletionPage(user: User, state: FormState): Page {
  const options = { action: '/settings/delete', submit: 'Delete my account', state, labels: DELETION };
  return settingsPage(
    '/settings/delete',
    'Delete account',
    html`<div class="card">
      <p>
        Your account ends at once and for good, with all sessions, API keys and webhooks. Your links go on
        without an owner: nobody can change them any more, you neither. Export them first if you want a list.
      </p>
      ${form({ ...options, isDangerous: true }, [
        usernameOf(user),
        checkbox({
          name: 'delete_links',
          label: DELETION.delete_links,
          hint: 'Then nobody can follow them any more.',
          state,
        }),
        field({
          name: 'password',
          label: DELETION.password,
          type: 'password',
          state,
          autocomplete: 'current-password',
          isRequired: true,
        }),
      ])}
    </div>`,
  );
}
