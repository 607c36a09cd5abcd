import { createHash } from 'node:crypto';
import { escapeHtml } from './html.ts';

/* The frame of a page for people. It has no script, and loads nothing. */

const STYLE = `
  :root { color-scheme: light dark; --page: #f3f4f6; --card: #fff; --text: #1c2230; --quiet: #566074;
    --line: #8a93a6; --main: #1d4ed8; --on-main: #fff; --fault: #b42318; }
  @media (prefers-color-scheme: dark) {
    :root { --page: #12151c; --card: #1c212b; --text: #e8ebf1; --quiet: #a8b1c2; --line: #6b7588;
      --main: #8ab4ff; --on-main: #10182b; --fault: #ff9c92; }
  }
  * { box-sizing: border-box; }
  body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1rem;
    background: var(--page); color: var(--text); font: 1rem/1.5 system-ui, sans-serif; }
  main { width: 100%; max-width: 26rem; padding: 2rem; background: var(--card); border-radius: 0.75rem;
    box-shadow: 0 1px 3px rgb(0 0 0 / 0.2); overflow-wrap: anywhere; }
  h1 { margin: 0 0 1rem; font-size: 1.5rem; line-height: 1.25; }
  p { margin: 0 0 1rem; }
  p:last-child { margin: 0; }
  [role="alert"] { padding-left: 0.75rem; border-left: 0.25rem solid var(--fault); color: var(--fault); }
  label { display: block; margin-bottom: 1rem; font-weight: 600; }
  small { display: block; margin-bottom: 0.5rem; color: var(--quiet); font-weight: 400; font-size: 0.875rem; }
  input { display: block; width: 100%; margin-top: 0.25rem; padding: 0.625rem 0.75rem; font: inherit;
    color: inherit; background: transparent; border: 1px solid var(--line); border-radius: 0.375rem; }
  input[readonly] { margin: 0; padding: 0; border: 0; font-weight: 400; }
  button { width: 100%; padding: 0.75rem; font: inherit; font-weight: 600; color: var(--on-main);
    background: var(--main); border: 0; border-radius: 0.375rem; cursor: pointer; }
  :focus-visible { outline: 3px solid var(--main); outline-offset: 2px; }
`;

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

/** A page with one card. @param title text; it is escaped. @param content HTML */
export function toPage(title: string, content: string): string {
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>${escapeHtml(title)} – Keymill</title>
    <style>${STYLE}</style>
  </head>
  <body>
    <main>
      <h1>${escapeHtml(title)}</h1>
      ${content}
    </main>
  </body>
</html>
`;
}
