import { Html, html } from './html.ts';
import type { Facts } from './seen.ts';

/** Where the page finds its own files. */
export interface AssetPaths {
  readonly style: string;
  readonly script: string;
  readonly icon: string;
}

/** The whole page. @param blocks drawn HTML @param now ISO 8601 UTC */
export function dashboardPage(facts: Facts, assets: AssetPaths, blocks: string, now: string): string {
  return document(
    facts.id,
    assets,
    html`<header>
        <div>
          <p class="brand">Keymill</p>
          <h1>Dashboard of ${facts.id}</h1>
        </div>
        <p id="live" role="status">As of ${now.slice(11, 19)} UTC. <a href="/dashboard">Look again</a></p>
        <div class="controls">
          <button type="button" id="pause" aria-pressed="false" hidden>Pause</button>
          <form method="post" action="/dashboard/logout"><button>Sign out</button></form>
        </div>
      </header>
      <div id="said" class="unseen" role="log" aria-live="polite"></div>
      <main id="main">${new Html(blocks)}</main>
      <footer>
        <p>
          Times are UTC. This is the cluster as one process sees it, the ${facts.kind} ${facts.id}. Nothing is
          read while nobody looks.
        </p>
      </footer>`,
    html`<script src="${assets.script}" defer></script>`,
  );
}

/** Asks for the token. @param fault why the last one was refused */
export function loginPage({ id }: Facts, assets: AssetPaths, fault?: string): string {
  return document(
    'Sign in',
    assets,
    html`<main id="main" class="login">
      <p class="brand">Keymill</p>
      <h1>Dashboard of ${id}</h1>
      ${fault !== undefined && html`<p class="fault" role="alert" id="fault">${fault}</p>`}
      <form method="post" action="/dashboard/login">
        <label for="token">Admin token</label>
        <p class="quiet" id="hint">
          The value of <code>KEYMILL_ADMIN_TOKEN</code>. It is in <code>cluster.json</code> too.
        </p>
        <input
          id="token"
          name="token"
          type="password"
          autocomplete="current-password"
          required
          autofocus
          aria-describedby="${fault === undefined ? 'hint' : 'hint fault'}"
          aria-invalid="${fault === undefined ? 'false' : 'true'}"
        />
        <button class="main">Sign in</button>
      </form>
    </main>`,
  );
}

/** Says why there is no page. */
export function refusalPage(title: string, reason: string, assets: AssetPaths): string {
  return document(
    title,
    assets,
    html`<main id="main" class="login">
      <p class="brand">Keymill</p>
      <h1>${title}</h1>
      <p>${reason}</p>
    </main>`,
  );
}

function document(title: string, { style, icon }: AssetPaths, body: Html, script?: Html): string {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${title} – Keymill</title>
        <link rel="icon" href="${icon}" type="image/svg+xml" />
        <link rel="stylesheet" href="${style}" />
        ${script}
      </head>
      <body>
        <a class="skip" href="#main">To the content</a>
        ${body}
      </body>
    </html>`.text;
}
