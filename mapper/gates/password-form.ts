import { attributes, html } from '../http/html.ts';
import { PAGE_HEADERS, toPage } from '../http/page.ts';
import type { PreparedAnswer } from '../http/plain-answer.ts';
import { pageAnswer } from '../http/problem-page.ts';
import type { Problem } from '../http/problem.ts';
import { VISITOR_TEXTS } from '../http/visitor-texts.ts';

/** Longer ones are no password of a link. */
const MAX_CHARACTERS = 1_024;

/**
 * Chromium asks this policy also where the answer to the form leads, which is the target of the link. So the
 * form may lead anywhere; it has no `action`, and is sent to the address of the page.
 */
const HEADERS: Readonly<Record<string, string>> = {
  'Content-Security-Policy': (PAGE_HEADERS['Content-Security-Policy'] ?? '').replace(
    "form-action 'self'",
    "form-action 'self' http: https:",
  ),
};

/**
 * 401 with the form that asks for the password of a link. It works without scripts.
 * @param problem `wrong-link-password` says so above the form
 */
export function passwordForm(problem: Problem): PreparedAnswer {
  const isWrong = problem.code === 'wrong-link-password';
  const { title, hint, label, open, wrong } = VISITOR_TEXTS.password;
  const fault = isWrong && html`<div class="notice fault"><p role="alert" id="fault">${wrong}</p></div>`;
  const state = { 'aria-invalid': isWrong && 'true', 'aria-describedby': isWrong && 'fault' };
  const given = {
    type: 'password',
    name: 'password',
    maxlength: MAX_CHARACTERS,
    autocomplete: 'current-password',
    required: true,
    autofocus: true,
    ...state,
  };
  const body = toPage(
    title,
    html`${fault}
      <p class="quiet">${hint}</p>
      <form method="post">
        <label>${label} <input ${attributes(given)} /></label>
        <button class="button">${open}</button>
      </form>`,
  );
  return pageAnswer({
    status: problem.status,
    reason: problem.title,
    body,
    headers: { ...HEADERS, ...problem.headers },
  });
}
