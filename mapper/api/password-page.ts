import type { Router, RouterContext } from '@koa/router';
import type { Accounts } from '../auth/accounts.ts';
import { PASSWORD_PAGE } from '../auth/password-link.ts';
import { whyPasswordRefused } from '../auth/password-rules.ts';
import { PAGE_HEADERS, PAGE_TYPE } from '../http/page.ts';
import { Problem } from '../http/problem.ts';
import { isForm, readForm } from '../http/read-json.ts';
import { showBadLink, showDone, showForm } from './password-html.ts';
import type { ApiLimits } from './call-endpoint.ts';

type PasswordAccounts = Pick<Accounts, 'findResetEmail' | 'resetPassword'>;

export interface PasswordPageOptions {
  readonly accounts: PasswordAccounts;
  readonly limits: ApiLimits;
}

/**
 * The page behind the link of `keymill users reset`: a form for a new password, which works without scripts.
 * A form is sent to the same path as the JSON of the API, and is told by its type. Whoever opens the page or
 * sends the form tries a token, so both count as a sign-in, as the JSON does.
 */
export function addPasswordPage(router: Router, { accounts, limits }: PasswordPageOptions): void {
  const count = async (ctx: RouterContext): Promise<void> => {
    // First, so that problems have them too.
    ctx.set({ ...PAGE_HEADERS });
    await limits.enforceApi(ctx.req, ctx.res, { identity: undefined, limit: 'sign-in' });
  };
  router.get(PASSWORD_PAGE, async (ctx) => {
    await count(ctx);
    const { token } = ctx.query;
    const email = typeof token === 'string' ? await accounts.findResetEmail(token) : undefined;
    if (typeof token !== 'string' || email === undefined) show(ctx, 404, showBadLink());
    else show(ctx, 200, showForm({ token, email }));
  });
  router.post(PASSWORD_PAGE, async (ctx, next) => {
    if (!isForm(ctx.get('Content-Type'))) return next();
    await count(ctx);
    const { token = '', new: password = '' } = await readForm(ctx.req, ctx.res);
    const email = await accounts.findResetEmail(token);
    const fault = email === undefined ? BAD_LINK : await whyNotReset(accounts, token, password);
    if (email === undefined || fault === BAD_LINK) show(ctx, 422, showBadLink());
    else if (fault === undefined) show(ctx, 200, showDone(email));
    else show(ctx, 422, showForm({ token, email, fault }));
    return undefined;
  });
}

const BAD_LINK = Symbol('the link is not valid');

/** What a person must change; undefined when the password has changed. */
async function whyNotReset(
  accounts: PasswordAccounts,
  token: string,
  password: string,
): Promise<string | typeof BAD_LINK | undefined> {
  const reason = whyPasswordRefused(password);
  if (reason !== undefined) return `The password ${reason}.`;
  try {
    await accounts.resetPassword(token, password);
    return undefined;
  } catch (error) {
    const [fault] = error instanceof Problem ? (error.errors ?? []) : [];
    if (fault === undefined) throw error;
    return fault.field === 'token' ? BAD_LINK : `The password ${fault.reason}.`;
  }
}

function show(ctx: RouterContext, status: number, page: string): void {
  ctx.status = status;
  ctx.body = page;
  ctx.set('Content-Type', PAGE_TYPE);
}
