import { createHash } from 'node:crypto';
import { html, trusted, type Html } from './html.ts';
import { shortenStyle } from '../../runtime/style-text.ts';
import { LOOK } from './style-text.ts';

/* The frame of a page for those who follow links. It has no script, and loads nothing. */

const STYLE =
  LOOK +
  shortenStyle(`
  body { min-height: 100vh; min-height: 100svh; display: grid; place-items: center; padding: 1rem; }
  main { width: 100%; max-width: 27rem; overflow-wrap: anywhere; }
  .brand { display: flex; align-items: center; gap: 0.5rem; margin: 0 0 0.75rem; font-weight: 700; }
  .brand svg { color: var(--main); }
  label { margin-bottom: 1.25rem; }
  label small { display: block; font-weight: 400; }
  input { margin-top: 0.25rem; font-weight: 400; }
  input[readonly] { min-height: 0; margin: 0; padding: 0; border: 0; background: none; }
  .button { width: 100%; }
  code { display: block; padding: 0.75rem 1rem; background: var(--paper); border-radius: 0.375rem; }
`);

/** The source in the policy of a page that allows its style, and no other. */
const STYLE_SOURCE = `'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`;

/**
 * On every page: nothing but its own style and forms, in no frame of another site, kept by nobody. A page
 * whose form is answered by a redirect to another site must replace the policy: Chromium applies
 * `form-action` to redirects too.
 */
export const PAGE_HEADERS: Readonly<Record<string, string>> = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy': `default-src 'none'; style-src ${STYLE_SOURCE}; base-uri 'none'; form-action 'self'; frame-ancestors 'none'`,
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'strict-origin',
  'X-Content-Type-Options': 'nosniff',
};

export const PAGE_TYPE = 'text/html; charset=utf-8';

/** The sign of the product, in the colours of the page. */
export const LOGO = trusted(
  '<svg width="26" height="26" viewBox="0 0 24 24" aria-hidden="true"><rect width="24" height="24" rx="6" fill="currentColor"/><g fill="none" stroke="var(--card)" stroke-width="2.2" stroke-linecap="round" stroke-linejoin="round"><circle cx="8.5" cy="12" r="3.5"/><path d="M12 12h7.5M16 12v3M19.5 12v3"/></g></svg>',
);

/** A page with one card. */
export function toPage(title: string, content: Html): string {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${title} – Keymill</title>
        ${trusted(`<style>${STYLE}</style>`)}
      </head>
      <body>
        <main>
          <p class="brand">${LOGO}Keymill</p>
          <div class="card">
            <h1>${title}</h1>
            ${content}
          </div>
        </main>
      </body>
    </html> `.text;
}
