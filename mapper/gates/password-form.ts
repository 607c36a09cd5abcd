import { PAGE_HEADERS, toPage } from '../http/page.ts';
import type { PreparedAnswer } from '../http/plain-answer.ts';
import { pageAnswer } from '../http/problem-page.ts';
import type { Problem } from '../http/problem.ts';

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
  const fault = isWrong ? '<p role="alert" id="fault">That was not the password. Try again.</p>' : '';
  const state = isWrong ? ' aria-invalid="true" aria-describedby="fault"' : '';
  const body = toPage(
    'This link has a password',
    `${fault}
      <form method="post">
        <label>Password
          <input type="password" name="password" maxlength="${MAX_CHARACTERS}"
            autocomplete="current-password" required autofocus${state}></label>
        <button>Open the link</button>
      </form>`,
  );
  return pageAnswer({
    status: problem.status,
    reason: problem.title,
    body,
    headers: { ...HEADERS, ...problem.headers },
  });
}
