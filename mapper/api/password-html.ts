import { PASSWORD_PAGE } from '../auth/password-link.ts';
import { html } from '../http/html.ts';
import { toPage } from '../http/page.ts';
import { VISITOR_TEXTS } from '../http/visitor-texts.ts';

/* The HTML of the page of a password link. It has no script, and loads nothing. */

export interface PasswordForm {
  readonly token: string;
  /** Of the account. */
  readonly email: string;
  /** What was wrong with the password that was sent before. */
  readonly fault?: string;
}

const TEXTS = VISITOR_TEXTS.reset;

/** A password manager stores the new password under the address, which the form shows for that too. */
export function showForm({ token, email, fault }: PasswordForm): string {
  return toPage(
    TEXTS.title,
    html`${fault !== undefined && html`<div class="notice fault" role="alert"><p>${fault}</p></div>`}
      <form method="post" action="${PASSWORD_PAGE}">
        <input type="hidden" name="token" value="${token}" />
        <label
          >${TEXTS.account}
          <input type="email" name="email" value="${email}" autocomplete="username" readonly
        /></label>
        <label
          >${TEXTS.label} <small>${TEXTS.hint}</small>
          <input type="password" name="new" minlength="10" autocomplete="new-password" required autofocus
        /></label>
        <button class="button">${TEXTS.submit}</button>
      </form>`,
  );
}

/** @param email of the account */
export function showDone(email: string): string {
  return toPage(
    TEXTS.doneTitle,
    html`<p>${TEXTS.doneBefore} <strong>${email}</strong>.</p>
      <p>${TEXTS.doneText}</p>
      <p><a class="button" href="/login">${TEXTS.signIn}</a></p>`,
  );
}

/** For a token that is used already, too old, or made up. */
export function showBadLink(): string {
  return toPage(
    TEXTS.badTitle,
    html`<p>${TEXTS.badText}</p>
      <p>${TEXTS.badWayOut}</p>`,
  );
}
