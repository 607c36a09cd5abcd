import type { Identity } from '../auth/identities.ts';
import { isAllowed } from '../auth/scopes.ts';
import { attributes, escapeHtml, html, trusted, type Html } from '../http/html.ts';
import { LOGO, PAGE_HEADERS } from '../http/page.ts';
import { pathOf } from './assets.ts';
import { button } from './components.ts';

/** What all pages of one service share. */
export interface Site {
  /** Origin of short links, without a slash at the end. */
  readonly publicUrl: string;
  /** Whether people may make accounts. */
  readonly isSignupOpen: boolean;
  /** Whether there are accounts. */
  readonly hasAccounts: boolean;
  /** Whether `/` is a page, and not the start of another site. */
  readonly hasFrontPage: boolean;
}

/** A page, without what all pages have. */
export interface Page {
  readonly title: string;
  readonly content: Html;
  /** Default: 200. */
  readonly status?: number;
  /** How wide its text may be. Default: as wide as tables need. */
  readonly width?: 'narrow' | 'middle';
  /** Whether search engines may show it. Default: no. */
  readonly isPublic?: boolean;
  /** In addition to those of every page. */
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * On every page with a header. Scripts, styles and pictures come from this service alone, and none stands in
 * the page itself.
 */
export const FULL_PAGE_HEADERS: Readonly<Record<string, string>> = {
  ...PAGE_HEADERS,
  'Content-Security-Policy':
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
  'Cross-Origin-Opener-Policy': 'same-origin',
};

/** Whom a page is for. */
interface Reader {
  readonly identity: Identity | undefined;
  /** The path of the request. */
  readonly path: string;
}

/** The whole document of a page. */
export function toDocument(
  { title, content, width, isPublic = false }: Page,
  site: Site,
  reader: Reader,
): string {
  const name = title === 'Keymill' ? title : `${title} – Keymill`;
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        ${isPublic ? '' : html`<meta name="robots" content="noindex" />`}
        <title>${name}</title>
        <link rel="stylesheet" href="${pathOf('pages.css')}" />
        <link rel="icon" href="${pathOf('icon.svg')}" type="image/svg+xml" />
        ${trusted(`<script src="${escapeHtml(pathOf('pages.js'))}" type="module"></script>`)}
      </head>
      <body>
        <a class="skip" href="#main">Skip to the content</a>
        <header class="top">
          <div class="bar">
            <a class="brand" href="/">${LOGO}Keymill</a>
            <nav aria-label="Main">
              <ul>
                ${navigation(site, reader)}
              </ul>
            </nav>
          </div>
        </header>
        <main id="main" tabindex="-1" ${attributes({ class: width })}>${content}</main>
        <footer><a href="/docs">API</a></footer>
      </body>
    </html> `.text;
}

function navigation({ hasAccounts, isSignupOpen }: Site, { identity, path }: Reader): Html[] {
  const entry = (to: string, label: string): Html => {
    const current = path === to ? 'page' : path.startsWith(`${to}/`) ? 'true' : undefined;
    return html`<li><a href="${to}" ${attributes({ 'aria-current': current })}>${label}</a></li>`;
  };
  if (!hasAccounts) return [];
  if (identity === undefined)
    return [entry('/login', 'Sign in'), ...(isSignupOpen ? [entry('/signup', 'Sign up')] : [])];
  return [
    entry('/urls', 'My links'),
    ...(isAllowed(identity.scopes, 'admin') ? [entry('/admin', 'Administration')] : []),
    entry('/settings', 'Settings'),
    html`<li><form method="post" action="/logout">${button('Sign out', { kind: 'bare' })}</form></li>`,
  ];
}
