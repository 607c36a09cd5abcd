import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Router, RouterContext } from '@koa/router';
import { Problem } from '../http/problem.ts';
import { API_HEADERS } from './router.ts';

/** Everything on the page comes from this service. The icons of Swagger UI are `data:` URLs in its style. */
const PAGE_HEADERS = {
  ...API_HEADERS,
  'Content-Security-Policy':
    "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
};

const PAGE = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Keymill API</title>
    <link rel="stylesheet" href="/docs/swagger-ui.css">
    <link rel="icon" href="/docs/favicon-32x32.png">
  </head>
  <body>
    <div id="swagger-ui"></div>
    <script src="/docs/swagger-ui-bundle.js"></script>
    <script src="/docs/init.js"></script>
  </body>
</html>
`;

/** Without `validatorUrl: null` the page would send the document to a validator of another site. */
const INIT = `'use strict';
SwaggerUIBundle({ url: '/openapi.json', dom_id: '#swagger-ui', validatorUrl: null, deepLinking: true });
`;

const JAVASCRIPT = 'text/javascript; charset=utf-8';

/** The files of Swagger UI that the page loads, and their types. */
const FILES: Readonly<Record<string, string>> = {
  'swagger-ui.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': JAVASCRIPT,
  'favicon-32x32.png': 'image/png',
};

/** `/openapi.json`, and `/docs`, a page that shows it. @param document made when it is first asked for */
export function addDocsRoutes(router: Router, document: () => object): void {
  let json: string | undefined;
  router.get('/openapi.json', (ctx) => {
    json ??= JSON.stringify(document());
    ctx.set({ ...API_HEADERS });
    send(ctx, 'application/json; charset=utf-8', json);
  });
  router.get('/docs', (ctx) => {
    ctx.set(PAGE_HEADERS);
    send(ctx, 'text/html; charset=utf-8', PAGE);
  });
  router.get('/docs/init.js', (ctx) => {
    ctx.set(PAGE_HEADERS);
    send(ctx, JAVASCRIPT, INIT);
  });
  router.get('/docs/:file', async (ctx) => {
    const { file = '' } = ctx.params;
    const type = Object.hasOwn(FILES, file) ? FILES[file] : undefined;
    if (type === undefined) throw new Problem('not-found');
    ctx.set(PAGE_HEADERS);
    const bytes = await readFile(fileURLToPath(import.meta.resolve(`swagger-ui-dist/${file}`)));
    ctx.set('Cache-Control', 'public, max-age=86400');
    ctx.set('ETag', `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 16)}"`);
    send(ctx, type, bytes);
  });
  for (const path of ['/openapi.json', '/docs', '/docs/:file'])
    router.all(path, () => {
      throw new Problem('method-not-allowed', { headers: { Allow: 'GET, HEAD' } });
    });
}

function send(ctx: RouterContext, type: string, body: string | Buffer): void {
  ctx.status = 200;
  ctx.body = body;
  ctx.set('Content-Type', type);
}
