import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { COLOURS } from '../../runtime/style-text.ts';
import { LOGO } from '../http/page.ts';

/** A file of `/docs`, as it is answered. */
export interface DocsFile {
  readonly type: string;
  readonly bytes: Buffer;
  /** A strong entity tag. */
  readonly etag: string;
  readonly cacheControl: string;
}

const JAVASCRIPT = 'text/javascript; charset=utf-8';
const CSS = 'text/css; charset=utf-8';

/** A browser asks each time whether its copy is good: the next release may have another one. */
const REVALIDATED = 'no-cache';
const A_DAY = 'public, max-age=86400';

/** The files of Swagger UI that the page loads, and their types. */
const SWAGGER_FILES: Readonly<Record<string, string>> = {
  'swagger-ui.css': CSS,
  'swagger-ui-bundle.js': JAVASCRIPT,
  'favicon-32x32.png': 'image/png',
};

/** Swagger UI replaces what stands in its element. */
export const PAGE = toFile(
  'text/html; charset=utf-8',
  `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <title>Keymill API</title>
    <link rel="stylesheet" href="/docs/swagger-ui.css">
    <link rel="stylesheet" href="/docs/page.css">
    <link rel="icon" href="/docs/favicon-32x32.png">
  </head>
  <body>
    <header class="top"><a class="brand" href="/">${LOGO.text}Keymill</a></header>
    <div id="swagger-ui">
      <main class="first">
        <h1>API</h1>
        <p>A script shows it here. Without scripts there is <a href="/openapi.json">the document</a>.</p>
      </main>
    </div>
    <script src="/docs/swagger-ui-bundle.js"></script>
    <script src="/docs/init.js"></script>
  </body>
</html>
`,
);

/**
 * Without `deepLinking`: it puts links into buttons, which readers of screens cannot use.
 * The headings of groups are of the third and fourth level, below one of the first. What stands above them is
 * in no landmark.
 * Without `validatorUrl: null` the page would send the document to a validator of another site. A request
 * that is tried goes to the mapper of this page: the policy of the page allows no other origin, and the
 * public one may be spelled in another way, as localhost is.
 */
const INIT = `'use strict';
const dark = matchMedia('(prefers-color-scheme: dark)');
const follow = () => document.documentElement.classList.toggle('dark-mode', dark.matches);
dark.addEventListener('change', follow);
follow();
SwaggerUIBundle({
  url: '/openapi.json',
  dom_id: '#swagger-ui',
  validatorUrl: null,
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  onComplete: () => {
    for (const heading of document.querySelectorAll('h3.opblock-tag, .models h4')) heading.setAttribute('aria-level', '2');
    const about = document.querySelector('.information-container');
    about?.setAttribute('role', 'region');
    about?.setAttribute('aria-label', 'About');
  },
  requestInterceptor: (request) => {
    const { pathname, search } = new URL(request.url, location.href);
    request.url = location.origin + pathname + search;
    return request;
  },
});
`;

/** The head of the page is that of our other pages. There is one server, so there is nothing to choose. */
const STYLE = `${COLOURS}
body { margin: 0; background: var(--paper); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
.top { padding: 0.5rem 1rem; background: var(--card); border-bottom: 1px solid var(--hair); }
.brand { display: inline-flex; align-items: center; gap: 0.5rem; min-height: 2.75rem; font-weight: 700; color: inherit; text-decoration: none; }
.brand svg, main.first a { color: var(--main); }
:focus-visible { outline: 3px solid var(--main) !important; outline-offset: 2px !important; }
main.first { max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem; }
.swagger-ui .info { margin: 2rem 0 1rem; }
.swagger-ui .info li { margin: 0.4rem 0; line-height: 1.5; }
.swagger-ui .scheme-container .schemes > .schemes-server-container { display: none; }
.swagger-ui .scheme-container { margin: 0 0 1rem; padding: 0 0 1rem; background: none; box-shadow: none; }
.swagger-ui .scheme-container .schemes { justify-content: flex-end; }
.swagger-ui .opblock-tag { flex-wrap: wrap; gap: 0.25rem 1rem; }
.swagger-ui .opblock-tag small { padding: 0; flex: 1 1 20rem; }
.swagger-ui .opblock-tag button { margin-left: auto; }
.swagger-ui .opblock .opblock-summary .opblock-summary-method { color: var(--card) !important; background: var(--ink) !important; text-shadow: none; }
.swagger-ui .info .title small pre { color: var(--card) !important; }
.swagger-ui .info .title small, .swagger-ui .info .title small.version-stamp { background: var(--ink) !important; }
.swagger-ui .info a, .swagger-ui .info .url, .swagger-ui .link, .swagger-ui a.nostyle:hover { color: var(--main) !important; }
.swagger-ui .opblock .opblock-summary:focus-within .view-line-link { width: 18px; margin: 0 5px; }
.swagger-ui .btn.authorize { color: var(--good) !important; border-color: var(--good); }
.swagger-ui .btn.authorize svg { fill: var(--good); }
@media (prefers-reduced-motion: reduce) {
  *, ::before, ::after { transition: none !important; animation: none !important; scroll-behavior: auto !important; }
}
@media (max-width: 600px) {
  .swagger-ui .opblock-tag { font-size: 1.25rem; }
  .swagger-ui .opblock-tag small { order: 3; flex-basis: 100%; }
  .swagger-ui .opblock .opblock-summary-method { min-width: 4.5rem; }
  .swagger-ui .scheme-container .schemes { justify-content: flex-start; }
}
`;

const OWN_FILES: ReadonlyMap<string, DocsFile> = new Map([
  ['init.js', toFile(JAVASCRIPT, INIT)],
  ['page.css', toFile(CSS, STYLE)],
]);

/** The files of the page. Those of Swagger UI are read when they are first asked for. */
export class DocsFiles {
  readonly #read = new Map<string, DocsFile>(OWN_FILES);

  /** @returns undefined when the page has no such file. @throws Error when it cannot be read */
  async find(name: string): Promise<DocsFile | undefined> {
    const known = this.#read.get(name);
    if (known !== undefined) return known;
    const type = Object.hasOwn(SWAGGER_FILES, name) ? SWAGGER_FILES[name] : undefined;
    if (type === undefined) return undefined;
    const bytes = await readFile(fileURLToPath(import.meta.resolve(`swagger-ui-dist/${name}`)));
    const file = toFile(type, type === CSS ? inTextSizes(bytes.toString()) : bytes, A_DAY);
    this.#read.set(name, file);
    return file;
  }
}

const USUAL_PIXELS = 16;

/** A style sheet whose texts are as large as the browser says. Swagger UI gives most of them pixels. */
function inTextSizes(style: string): string {
  return style.replaceAll(
    /(font-size|line-height):([\d.]+)px/g,
    (_, what, pixels) => `${what}:${Number(pixels) / USUAL_PIXELS}rem`,
  );
}

/** A file that is answered as it is, with an entity tag over its bytes. */
export function toFile(type: string, content: string | Buffer, cacheControl = REVALIDATED): DocsFile {
  const bytes = Buffer.from(content);
  const etag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 16)}"`;
  return { type, bytes, etag, cacheControl };
}
