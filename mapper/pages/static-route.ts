import type { Router } from '@koa/router';
import { Problem } from '../http/problem.ts';
import { Assets } from './assets.ts';

const A_YEAR = 'public, max-age=31536000, immutable';

/** `/static/<hash>/<name>`: what pages load. */
export function addStaticRoute(router: Router): void {
  const assets = new Assets();
  router.get('/static/:hash/:name', async (ctx) => {
    const asset = await assets.find(ctx.path, ctx.get('Accept-Encoding'));
    if (asset === undefined) throw new Problem('not-found');
    const { type, bytes, coding, isCurrent } = asset;
    ctx.set({
      'Cache-Control': isCurrent ? A_YEAR : 'no-store',
      'Cross-Origin-Resource-Policy': 'same-origin',
      'X-Content-Type-Options': 'nosniff',
      Vary: 'Accept-Encoding',
    });
    if (coding !== undefined) ctx.set('Content-Encoding', coding);
    ctx.body = bytes;
    ctx.set('Content-Type', type);
  });
  router.all('/static/:hash/:name', () => {
    throw new Problem('method-not-allowed', { headers: { Allow: 'GET, HEAD' } });
  });
}
