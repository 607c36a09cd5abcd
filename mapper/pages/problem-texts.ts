import { html } from '../http/html.ts';
import type { Problem } from '../http/problem.ts';
import { buttonLink } from './components.ts';
import type { Page } from './layout.ts';

/** By the status of a problem. */
const HEADINGS: Readonly<Partial<Record<number, string>>> = {
  401: 'Please sign in',
  403: 'You may not do this',
  404: 'There is nothing here',
  405: 'There is nothing to see here',
  410: 'This is gone',
  413: 'This is too large',
  415: 'This cannot be read',
  429: 'Too many requests',
  503: 'Not just now',
};

/** What they can do about it. */
const WAYS_OUT: Readonly<Partial<Record<number, string>>> = {
  404: 'Check the address, or begin at the front page.',
  429: 'Wait a minute, then try again.',
  500: 'Try again. If it stays so, tell the operator of this service, with the time.',
  503: 'Try again in a few seconds.',
};

/** What people read instead of what programs are told. */
const DETAILS: Readonly<Record<string, string>> = {
  'foreign-origin': 'This form was not sent by a page of this service. Open the page here and send it again.',
  'method-not-allowed': 'Only a form is sent to this address. Go back to the page that has it.',
  // A session may do all but this.
  'missing-scope': 'Only administrators may do this.',
};

/** What people read above a problem. */
export function headingOf({ status }: Problem): string {
  return HEADINGS[status] ?? 'This did not work';
}

/** A problem as a page of its own. */
export function problemPage(problem: Problem): Page {
  const heading = headingOf(problem);
  const wayOut = WAYS_OUT[problem.status];
  const detail = DETAILS[problem.code] ?? problem.message;
  return {
    title: heading,
    status: problem.status,
    width: 'narrow',
    headers: problem.headers,
    content: html`<div class="card">
      <h1>${heading}</h1>
      <p>${detail}</p>
      ${wayOut !== undefined && html`<p>${wayOut}</p>`}
      <p>${buttonLink('/', 'To the front page', { kind: 'plain' })}</p>
    </div>`,
  };
}
