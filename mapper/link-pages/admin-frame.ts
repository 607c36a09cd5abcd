import { html, type Html, type HtmlValue } from '../http/html.ts';
import { Problem } from '../http/problem.ts';
import { notice, tabs } from '../pages/components.ts';
import type { Page } from '../pages/layout.ts';
import type { PageRequest } from '../pages/page-routes.ts';

const TABS = [
  ['/admin/links', 'Links'],
  ['/admin/users', 'Users'],
  ['/admin/reports', 'Reports'],
  ['/admin/domains', 'Blocked domains'],
  ['/admin/orphans', 'Asked in vain'],
] as const;

export interface AdminPage {
  readonly title: string;
  /** Of its tab. */
  readonly path: (typeof TABS)[number][0];
  readonly content: HtmlValue;
  readonly done?: string | undefined;
  /** Why there is nothing to show. */
  readonly problem?: Problem | undefined;
}

/** A page for administrators. */
export function adminPage({ title, path, content, done, problem }: AdminPage): Page {
  return {
    title,
    ...(problem !== undefined && { status: problem.status, headers: problem.headers }),
    content: html`<h1>Administration</h1>${tabs('Administration', TABS, path)}<h2>${title}</h2>
${done !== undefined && notice('good', html`<p>${done}</p>`)}
${problem !== undefined && notice('fault', faultsOf(problem))}
${content}`,
  };
}

function faultsOf({ message, errors = [] }: Problem): Html {
  if (errors.length === 0) return html`<p>${message}</p>`;
  const texts = errors.map(({ field, reason }) =>
    field === 'cursor'
      ? 'This address is not of this list. Begin with its first page.'
      : `${field} ${reason}`,
  );
  return html`<ul>${texts.map((text) => html`<li>${text}</li>`)}</ul>`;
}

/**
 * The items of a list, or that it has none.
 * @param problem why nothing was looked for: then nobody knows whether it has any
 */
export function listed<Item>(
  items: readonly Item[],
  problem: Problem | undefined,
  none: string,
  show: (items: readonly Item[]) => Html,
): HtmlValue {
  if (problem !== undefined) return undefined;
  return items.length === 0 ? html`<p>${none}</p>` : show(items);
}

/** The parameters of an address that are given, for the next page of a list and for calls of the API. */
export function givenQuery(query: URLSearchParams, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = query.get(name)?.trim() ?? '';
      return value === '' ? [] : [[name, value]];
    }),
  );
}

/** The addresses of the first and the next page of a list. */
export function pagesOf(
  path: string,
  { cursor, ...choice }: Readonly<Record<string, string>>,
  nextCursor: string | null,
): { readonly first?: string; readonly next?: string } {
  const at = (more: Readonly<Record<string, string>>): string => {
    const query = new URLSearchParams({ ...choice, ...more }).toString();
    return query === '' ? path : `${path}?${query}`;
  };
  return {
    ...(cursor !== undefined && { first: at({}) }),
    ...(nextCursor !== null && { next: at({ cursor: nextCursor }) }),
  };
}

/** A page of a list, as the API answers it. */
export interface List<Item> {
  readonly items: readonly Item[];
  readonly next_cursor: string | null;
}

/** A page of a list, or what is wrong with what is looked for. @throws any other Problem */
export async function listOf<Item>(
  call: PageRequest['call'],
  name: string,
  query: Readonly<Record<string, string>>,
): Promise<{ readonly list: List<Item>; readonly problem?: Problem }> {
  try {
    return { list: (await call(name, { query })).body as List<Item> };
  } catch (error) {
    if (!(error instanceof Problem) || error.status !== 422) throw error;
    return { list: { items: [], next_cursor: null }, problem: error };
  }
}
