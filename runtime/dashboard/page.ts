import { html, type Html } from './html.ts';
import type { Facts } from './seen.ts';

/** Where the page finds its own files. */
export interface AssetPaths {
  readonly style: string;
  readonly script: string;
  readonly icon: string;
}

/** The whole page. @param blocks drawn HTML */
export function dashboardPage(facts: Facts, assets: AssetPaths, blocks: string, now: string): string {
  const { id, kind } = facts;
  return document(
    `${id} – Keymill`,
    assets,
    html`<header>
        <div>
          <p class="brand">Keymill</p>
          <h1>Dashboard of ${kind} ${id}</h1>
        </div>
        <p id="live" role="status">As of ${now.slice(11, 19)} UTC. <a href="/dashboard">Look again</a></p>
        <div class="controls">
          <button type="button" id="pause" aria-pressed="false" hidden>Pause</button>
          <form method="post" action="/dashboard/logout"><button>Sign out</button></form>
        </div>
      </header>
      <div id="said" class="unseen" role="log" aria-live="polite"></div>
      <main id="main"></main>`,
    html`</main>
<footer><p>Times are UTC. This page is of one process, and shows the cluster as that process sees it. Nothing is read while nobody looks.</p></footer>`,
    blocks,
    assets.script,
  );
}

/** Asks for the token. @param fault why the last one was refused */
export function loginPage({ id, kind }: Facts, assets: AssetPaths, fault?: string): string {
  return document(
    `Sign in – Keymill`,
    assets,
    html`<main id="main" class="login">
      <p class="brand">Keymill</p>
      <h1>Dashboard of ${kind} ${id}</h1>
      ${fault !== undefined && html`<p class="fault" role="alert" id="fault">${fault}</p>`}
      <form method="post" action="/dashboard/login">
        <label for="token">Admin token</label>
        <p class="quiet" id="hint">
          The value of <code>KEYMILL_ADMIN_TOKEN</code>, which <code>cluster.json</code> has too.
        </p>
        <input
          id="token"
          name="token"
          type="password"
          autocomplete="current-password"
          required
          aria-describedby="hint${fault !== undefined && ' fault'}"
          ${fault !== undefined && html` aria-invalid="true"`}
        />
        <button class="main">Sign in</button>
      </form>
    </main>`,
    html``,
    '',
    undefined,
  );
}

/** Says why there is no page. */
export function refusalPage(title: string, reason: string, assets: AssetPaths): string {
  return document(
    `${title} – Keymill`,
    assets,
    html`<main id="main" class="login">
      <p class="brand">Keymill</p>
      <h1>${title}</h1>
      <p>${reason}</p>
    </main>`,
    html``,
    '',
    undefined,
  );
}

function document(
  title: string,
  { style, icon }: AssetPaths,
  before: Html,
  after: Html,
  blocks: string,
  script: string | undefined,
): string {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${title}</title>
        <link rel="icon" href="${icon}" type="image/svg+xml" />
        <link rel="stylesheet" href="${style}" />
        ${script !== undefined && html`<script src="${script}" defer></script>`}
      </head>
      <body>
        <a class="skip" href="#main">To the content</a>
        ${before}
      </body>
    </html> `.text.concat(blocks, after.text, '\n</body></html>\n');
}
