import { Problem, type ProblemKind } from '../http/problem.ts';
import type { FormState } from './form.ts';
import type { Page } from './layout.ts';
import type { PageReply } from './page-routes.ts';

/** What no change of the fields can mend. */
const NOT_FOR_FORMS: ReadonlySet<string> = new Set<ProblemKind>([
  'bad-credential',
  'unauthenticated',
  'foreign-origin',
  'missing-scope',
  'not-found',
  'unknown-key',
  'incomplete',
]);

/**
 * Carries out a form. If something is wrong, its page is shown again, with what was typed and what is wrong.
 * @param send throws a Problem for that
 * @param again makes the page
 */
export async function tryForm(
  values: URLSearchParams,
  send: () => Promise<PageReply>,
  again: (state: FormState) => Page | Promise<Page>,
): Promise<PageReply> {
  try {
    return await send();
  } catch (error) {
    if (!(error instanceof Problem) || NOT_FOR_FORMS.has(error.code)) throw error;
    const page = await again({ values, problem: error });
    const headers = { ...error.headers, ...page.headers };
    return { ...page, title: `Please mend: ${page.title}`, status: error.status, headers };
  }
}

/** The value of a field; null: it was left empty. */
export function given(form: URLSearchParams, name: string): string | null {
  const value = form.get(name)?.trim() ?? '';
  return value === '' ? null : value;
}

/** A place of ours to go to, as the query of a page names it. Addresses of other sites are none. */
export function ownPath(path: string | null, otherwise: string): string {
  const origin = 'http://own.invalid';
  if (path === null || !path.startsWith('/')) return otherwise;
  const url = URL.parse(path, origin);
  return url === null || url.origin !== origin ? otherwise : url.pathname + url.search;
}
