import { acceptedWeight } from './accepted-weight.ts';
import { html } from './html.ts';
import { PAGE_HEADERS, PAGE_TYPE, toPage } from './page.ts';
import { prepareProblem, type PreparedAnswer } from './plain-answer.ts';
import type { Problem } from './problem.ts';
import type { RequestFacts } from './request-facts.ts';
import { VISITOR_TEXTS } from './visitor-texts.ts';

/** The problems for which people get a page. Only programs cause the others. */
const WITH_PAGE: readonly number[] = [401, 404, 410, 429, 503];

/** A page for people, where a browser asks for one; else the problem document. */
export function prepareFor(request: RequestFacts, problem: Problem): PreparedAnswer {
  const hasPage = WITH_PAGE.includes(problem.status) && wantsPage(request.header('accept'));
  return hasPage ? preparePage(problem) : prepareProblem(problem);
}

/** A problem as a page. Its headers are those of the problem, and those of a page. */
export function preparePage(problem: Problem): PreparedAnswer {
  const { title, text, wayOut } = VISITOR_TEXTS.problems[problem.code] ?? { title: problem.title };
  const body = toPage(
    title,
    html`<p>${text ?? problem.message}</p>
      ${wayOut !== undefined && html`<p>${wayOut}</p>`}`,
  );
  return pageAnswer({ status: problem.status, reason: problem.title, body, headers: problem.headers });
}

interface Page {
  readonly status: number;
  /** Of the status line. */
  readonly reason: string;
  readonly body: string;
  /** Besides those of every page, or instead of them. */
  readonly headers?: Readonly<Record<string, string>>;
  /** False: everybody gets the page. Default: programs get something else, and a cache must know that. */
  readonly variesByAccept?: boolean;
}

/** A page for people. */
export function pageAnswer({
  status,
  reason,
  body,
  headers: more,
  variesByAccept = true,
}: Page): PreparedAnswer {
  const headers = ['X-Request-Id', ''];
  const varying = variesByAccept && { Vary: 'Accept' };
  for (const [name, value] of Object.entries({ ...PAGE_HEADERS, ...varying, ...more }))
    headers.push(name, value);
  headers.push('Content-Type', PAGE_TYPE, 'Content-Length', String(Buffer.byteLength(body)));
  return { status, reason, headers, body };
}

const HTML = /^text\/html(?:;|$)/;
const JSON_TYPE = /^application\/(?:problem\+)?json(?:;|$)/;

/**
 * Whether the client is a browser: it names `text/html` itself, and would not rather have JSON. What accepts
 * everything is no browser.
 * @param accept the header
 */
export function wantsPage(accept: string | undefined): boolean {
  // Most programs that are no browser end here.
  if (accept === undefined || !/text\/html/i.test(accept)) return false;
  const html = acceptedWeight(accept, HTML);
  return html > 0 && html >= acceptedWeight(accept, JSON_TYPE);
}
