import { PASSWORD_PAGE } from '../auth/password-link.ts';
import { escapeHtml } from '../http/html.ts';
import { toPage } from '../http/page.ts';

/* The HTML of the page of a password link. It has no script, and loads nothing. */

export interface PasswordForm {
  readonly token: string;
  /** Of the account. */
  readonly email: string;
  /** What was wrong with the password that was sent before. */
  readonly fault?: string;
}

/** A password manager stores the new password under the address, which the form shows for that too. */
export function showForm({ token, email, fault }: PasswordForm): string {
  const alert = fault === undefined ? '' : `<p role="alert">${escapeHtml(fault)}</p>`;
  return toPage(
    'Choose a password',
    `${alert}
      <form method="post" action="${PASSWORD_PAGE}">
        <input type="hidden" name="token" value="${escapeHtml(token)}">
        <label>Account
          <input type="email" name="email" value="${escapeHtml(email)}" autocomplete="username" readonly></label>
        <label>New password <small>At least 10 characters, and not a common one.</small>
          <input type="password" name="new" minlength="10" autocomplete="new-password" required autofocus></label>
        <button>Change the password</button>
      </form>`,
  );
}

/** @param email of the account */
export function showDone(email: string): string {
  return toPage(
    'The password has changed',
    `<p>It is the new password of <strong>${escapeHtml(email)}</strong>.</p>
      <p>All sessions of this account have ended, so sign in again. Its API keys go on.</p>`,
  );
}

/** For a token that is used already, too old, or made up. */
export function showBadLink(): string {
  return toPage(
    'This link is not valid',
    `<p>It is used already, too old, or made up. A link is valid once, for an hour.</p>
      <p>Ask the operator of this service for a new one.</p>`,
  );
}
