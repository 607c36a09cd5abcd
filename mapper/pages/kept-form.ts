import { attributes, html, type Html, type HtmlValue } from '../http/html.ts';
import type { Problem } from '../http/problem.ts';
import { button, notice } from './components.ts';
import { field, freshForm, hidden } from './form.ts';
import type { Page } from './layout.ts';
import { headingOf } from './problem-texts.ts';

/** Forms of ours have fewer fields. */
const MAX_FIELDS = 500;

/** What stands in no page again, not even hidden. */
const PASSWORDS: Readonly<Record<string, string>> = {
  password: 'Password',
  current: 'Current password',
  new: 'New password',
};

/** Whether the same form may be carried out a little later, or after a sign-in. */
export function isForLater({ code, status }: Problem): boolean {
  return status === 429 || status === 503 || code === 'unauthenticated' || code === 'bad-credential';
}

/**
 * A page that keeps what was typed into a form that could not be carried out now, and sends it again.
 * Passwords must be typed again.
 * @param action where the form was sent to
 * @returns undefined for a form with nothing to keep but the wish to sign in
 */
export function keptForm(form: URLSearchParams, problem: Problem, action: string): Page | undefined {
  const isUnknown = problem.status === 401;
  if (form.size > MAX_FIELDS || (isUnknown && form.size === 0)) return undefined;
  const fields = [...form].map(([name, value]): HtmlValue => {
    const label = Object.hasOwn(PASSWORDS, name) ? PASSWORDS[name] : undefined;
    return label === undefined || value === '' ? hidden(name, value) : passwordField(name, label);
  });
  const heading = headingOf(problem);
  return {
    title: heading,
    status: problem.status,
    width: 'narrow',
    headers: problem.headers,
    content: html`<div class="card">
      <h1>${heading}</h1>
      ${notice('fault', html`<p>${isUnknown ? 'You are not signed in any more.' : problem.message}</p>`)}
      <p>${whatToDo(problem)}</p>
      <form method="post" action="${action}">${fields}${button('Send it again')}</form>
    </div>`,
  };
}

function whatToDo({ status }: Problem): HtmlValue {
  const kept = 'This page keeps what you have sent.';
  if (status === 429) return `${kept} Wait a minute, then send it again.`;
  if (status === 503) return `${kept} Send it again in a few seconds.`;
  const elsewhere = attributes({ target: '_blank', rel: 'noopener' });
  return html`${kept} <a href="/login" ${elsewhere}>Sign in in another tab</a>, then send it again here.`;
}

function passwordField(name: string, label: string): Html {
  return field({
    name,
    label,
    type: 'password',
    hint: 'Type it again: it is kept nowhere.',
    state: freshForm(),
    isRequired: true,
  });
}
