import type { Router, RouterContext } from '@koa/router';
import type { Accounts } from '../auth/accounts.ts';
import { PASSWORD_PAGE } from '../auth/password-link.ts';
import { whyPasswordRefused } from '../auth/password-rules.ts';
import { Problem } from '../http/problem.ts';
import { readForm } from '../http/read-json.ts';
import { API_HEADERS, type ApiLimits } from './router.ts';

export interface PasswordPageOptions {
  readonly accounts: Pick<Accounts, 'resetPassword'>;
  readonly limits: ApiLimits;
}

/** No script and no style: the page is a form. The address contains the token, so nobody is told it. */
const PAGE_HEADERS = {
  ...API_HEADERS,
  'Content-Security-Policy':
    "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
};

const FORM_TYPE = /^application\/x-www-form-urlencoded(?:;|$)/i;

/**
 * The page behind the link of `keymill users reset`: a form for a new password, which works without scripts.
 * A form is sent to the same path as the JSON of the API, and is told by its type. Both count for one limit.
 */
export function addPasswordPage(router: Router, { accounts, limits }: PasswordPageOptions): void {
  router.get(PASSWORD_PAGE, (ctx) => {
    ctx.set(PAGE_HEADERS);
    const { token } = ctx.query;
    show(ctx, 200, formFor(typeof token === 'string' ? token : ''));
  });
  router.post(PASSWORD_PAGE, async (ctx, next) => {
    if (!FORM_TYPE.test(ctx.get('Content-Type'))) return next();
    // First, so that problems have them too.
    ctx.set(PAGE_HEADERS);
    await limits.enforceApi(ctx.req, ctx.res, { identity: undefined, limit: 'sign-in' });
    const { token = '', new: password = '' } = await readForm(ctx.req, ctx.res);
    const reason = whyNotChosen(password) ?? (await whyNotReset(accounts, token, password));
    if (reason === undefined) show(ctx, 200, '<p>Your password has changed. All sessions have ended.</p>');
    else show(ctx, 422, `<p role="alert">${escapeHtml(reason)}</p>${formFor(token)}`);
    return undefined;
  });
}

function whyNotChosen(password: string): string | undefined {
  const reason = whyPasswordRefused(password);
  return reason === undefined ? undefined : `The password ${reason}.`;
}

/** What a person must change; undefined when the password has changed. */
async function whyNotReset(
  accounts: Pick<Accounts, 'resetPassword'>,
  token: string,
  password: string,
): Promise<string | undefined> {
  try {
    await accounts.resetPassword(token, password);
    return undefined;
  } catch (error) {
    const [fault] = error instanceof Problem ? (error.errors ?? []) : [];
    if (fault === undefined) throw error;
    return fault.field === 'token' ? `This link ${fault.reason}.` : `The password ${fault.reason}.`;
  }
}

function show(ctx: RouterContext, status: number, content: string): void {
  ctx.status = status;
  ctx.body = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Choose a password – Keymill</title>
  </head>
  <body>
    <main>
      <h1>Choose a password</h1>
      ${content}
    </main>
  </body>
</html>
`;
  ctx.set('Content-Type', 'text/html; charset=utf-8');
}

function formFor(token: string): string {
  return `<form method="post" action="${PASSWORD_PAGE}">
        <input type="hidden" name="token" value="${escapeHtml(token)}">
        <label>New password, at least 10 characters<br>
          <input type="password" name="new" minlength="10" autocomplete="new-password" required autofocus></label>
        <button>Change the password</button>
      </form>`;
}

function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}
