import type { Router, RouterContext } from '@koa/router';
import { Problem } from '../http/problem.ts';
import { DocsFiles, PAGE, toFile, type DocsFile } from './docs-files.ts';
import { API_HEADERS } from './router.ts';

/** Everything on the page comes from this service. The icons of Swagger UI are `data:` URLs in its style. */
const PAGE_HEADERS = {
  ...API_HEADERS,
  'Content-Security-Policy':
    "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
};

/** `/openapi.json`, and `/docs`, a page that shows it. @param document made when it is first asked for */
export function addDocsRoutes(router: Router, document: () => object): void {
  const files = new DocsFiles();
  let json: DocsFile | undefined;
  router.get('/openapi.json', (ctx) => {
    json ??= toFile('application/json; charset=utf-8', JSON.stringify(document()));
    ctx.set({ ...API_HEADERS });
    send(ctx, json);
  });
  router.get('/docs', (ctx) => {
    ctx.set(PAGE_HEADERS);
    send(ctx, PAGE);
  });
  router.get('/docs/:file', async (ctx) => {
    const file = await files.find(ctx.params['file'] ?? '');
    if (file === undefined) throw new Problem('not-found');
    ctx.set(PAGE_HEADERS);
    send(ctx, file);
  });
  for (const path of ['/openapi.json', '/docs', '/docs/:file'])
    router.all(path, () => {
      throw new Problem('method-not-allowed', { headers: { Allow: 'GET, HEAD' } });
    });
}

/** 304 when the client has these bytes already. */
function send(ctx: RouterContext, { type, bytes, etag, cacheControl }: DocsFile): void {
  ctx.set({ ETag: etag, 'Cache-Control': cacheControl });
  ctx.status = 200;
  if (ctx.fresh) {
    ctx.status = 304;
    return;
  }
  ctx.body = bytes;
  ctx.set('Content-Type', type);
}
