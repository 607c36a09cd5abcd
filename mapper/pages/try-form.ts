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
 * @param fields the fields of the form, by what the API calls them where that is something else
 */
export async function tryForm(
  values: URLSearchParams,
  send: () => Promise<PageReply>,
  again: (state: FormState) => Page | Promise<Page>,
  fields: Readonly<Record<string, string>> = {},
): Promise<PageReply> {
  try {
    return await send();
  } catch (error) {
    if (!(error instanceof Problem) || NOT_FOR_FORMS.has(error.code)) throw error;
    return showAgain(values, withFieldsOfForm(error, fields), again);
  }
}

/** The page of a form that was not carried out. @param again makes the page */
export async function showAgain(
  values: URLSearchParams,
  problem: Problem,
  again: (state: FormState) => Page | Promise<Page>,
): Promise<PageReply> {
  const page = await again({ values, problem });
  const headers = { ...problem.headers, ...page.headers };
  return { ...page, title: `Please mend: ${page.title}`, status: problem.status, headers };
}

/** A fault stands at the field that people see, whatever the API calls it. */
function withFieldsOfForm(problem: Problem, fields: Readonly<Record<string, string>>): Problem {
  const { errors, message: detail, headers } = problem;
  if (errors?.some(({ field }) => Object.hasOwn(fields, field)) !== true) return problem;
  const named = errors.map(({ field, reason }) => ({ field: fields[field] ?? field, reason }));
  return new Problem(problem.code as ProblemKind, { detail, headers, errors: named });
}

/** The value of a field; null: it was left empty. */
export function given(form: URLSearchParams, name: string): string | null {
  const value = form.get(name)?.trim() ?? '';
  return value === '' ? null : value;
}
