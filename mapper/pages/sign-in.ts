import { html, type HtmlValue } from '../http/html.ts';
import { Problem } from '../http/problem.ts';
import { notice } from './components.ts';
import { field, form, freshForm, hidden, type FormState } from './form.ts';
import type { Page, Site } from './layout.ts';
import type { FormRequest, PageRoutes } from './page-routes.ts';
import { given, tryForm } from './try-form.ts';

/** Where people go who have signed in and wanted nothing else. */
const HOME = '/urls';

const SIGN_IN = { email: 'Email', password: 'Password' };
const SIGN_UP = { ...SIGN_IN, first_name: 'First name', last_name: 'Last name' };

const DONE: Readonly<Record<string, string>> = {
  deleted: 'Your account is deleted.',
  signedup: 'Your account is made. Sign in with it.',
  signedout: 'You have signed out.',
};

/** `/login`, `/signup` and `/logout`. */
export function addSignInPages(pages: PageRoutes): void {
  const { site } = pages;
  pages.get('/login', { isShared: true }, async ({ identity, query }) => {
    const next = pages.paths.find(query.get('next')) ?? HOME;
    if (identity !== undefined) return { location: next };
    const done = DONE[query.get('done') ?? ''];
    const said = done !== undefined && notice('good', html`<p>${done}</p>`);
    return signInPage(freshForm({ next }), site, said);
  });
  pages.post('/login', { isShared: true }, async (request) =>
    tryForm(
      request.form,
      async () => signIn(request, pages.paths.find(request.form.get('next')) ?? HOME),
      (state) => signInPage(state, site),
    ),
  );
  pages.get('/signup', {}, async ({ identity }) =>
    identity === undefined ? signUpPage(freshForm(), site) : { location: HOME },
  );
  pages.post('/signup', {}, async (request) =>
    tryForm(
      request.form,
      async () => {
        const { form: fields } = request;
        const names = { first_name: given(fields, 'first_name'), last_name: given(fields, 'last_name') };
        const { body } = await request.call('signUp', { body: { ...credentialsOf(fields), ...names } });
        return signInNew(request, BigInt((body as { user_id: string }).user_id));
      },
      (state) => signUpPage(state, site),
    ),
  );
  pages.post('/logout', { isShared: true }, async ({ identity, doubt, call }) => {
    // The session goes on, for everybody who has its cookie.
    if (doubt?.status === 503) throw doubt;
    if (identity !== undefined) await call('signOut');
    return { location: '/login?done=signedout', session: null };
  });
}

async function signIn({ form: fields, call }: FormRequest, next: string) {
  const { session } = await call('signIn', { body: credentialsOf(fields) });
  return { location: next, ...(session !== undefined && { session }) };
}

/**
 * The session of an account that was made just now. It was counted with the account. The account is there,
 * whatever is wrong from here on: no fault may look as if it were not.
 */
async function signInNew({ services }: FormRequest, userId: bigint) {
  try {
    return { location: HOME, session: await services.accounts.signInNew(userId) };
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return { location: '/login?done=signedup' };
  }
}

function credentialsOf(fields: URLSearchParams) {
  return { email: fields.get('email') ?? '', password: fields.get('password') ?? '' };
}

function signInPage(state: FormState, { isSignupOpen }: Site, said?: HtmlValue): Page {
  return {
    title: 'Sign in',
    width: 'narrow',
    content: html`<div class="card">
      <h1>Sign in</h1>
      ${said}
      ${form({ action: '/login', submit: 'Sign in', state, labels: SIGN_IN }, [
        // Whether it is a page of ours is judged when it is sent.
        hidden('next', state.values.get('next') ?? ''),
        field({
          name: 'email',
          label: SIGN_IN.email,
          type: 'email',
          state,
          autocomplete: 'username',
          isRequired: true,
          hasFocus: state.problem === undefined,
        }),
        field({
          name: 'password',
          label: SIGN_IN.password,
          type: 'password',
          state,
          autocomplete: 'current-password',
          isRequired: true,
        }),
      ])}
      ${
        isSignupOpen &&
        html`<p class="below quiet">No account yet? <a href="/signup">Sign up</a>, it takes a minute.</p>`
      }
    </div>`,
  };
}

function signUpPage(state: FormState, { isSignupOpen }: Site): Page {
  if (!isSignupOpen) return closedPage();
  return {
    title: 'Sign up',
    width: 'narrow',
    content: html`<div class="card">
      <h1>Sign up</h1>
      <p class="quiet">
        With an account your links stay yours: change where they lead, see who follows them, delete them.
      </p>
      ${form({ action: '/signup', submit: 'Make the account', state, labels: SIGN_UP }, [
        field({
          name: 'email',
          label: SIGN_UP.email,
          type: 'email',
          state,
          autocomplete: 'username',
          isRequired: true,
          hasFocus: state.problem === undefined,
        }),
        field({
          name: 'password',
          label: SIGN_UP.password,
          type: 'password',
          hint: 'At least 10 characters, and not a common one.',
          state,
          autocomplete: 'new-password',
          isRequired: true,
          minLength: 10,
        }),
        field({ name: 'first_name', label: 'First name (optional)', state, autocomplete: 'given-name' }),
        field({ name: 'last_name', label: 'Last name (optional)', state, autocomplete: 'family-name' }),
      ])}
      <p class="below quiet">Have an account? <a href="/login">Sign in</a>.</p>
    </div>`,
  };
}

function closedPage(): Page {
  return {
    title: 'Sign up',
    width: 'narrow',
    status: 403,
    content: html`<div class="card">
      <h1>Sign-up is closed</h1>
      <p>Accounts are made by the operator of this service. Ask there for one.</p>
      <p><a href="/login">Sign in</a> if you have one.</p>
    </div>`,
  };
}
