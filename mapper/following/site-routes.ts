import type { Router } from '@koa/router';
import { setPrepared, type PreparedAnswer } from '../http/plain-answer.ts';
import { Problem } from '../http/problem.ts';

export interface SiteOptions {
  /** Where `/` leads. Undefined: a page of ours. */
  readonly rootUrl: string | undefined;
  /** The first segments of all paths that are no links: `/urls`. */
  readonly paths: readonly string[];
}

/** `/` and `/robots.txt`: what everybody asks for who looks at the domain and not at a link. */
export function addSiteRoutes(router: Router, { rootUrl, paths }: SiteOptions): void {
  const robots = robotsAnswer(paths);
  router.get('/robots.txt', (ctx) => setPrepared(ctx, robots));
  router.all('/robots.txt', refuseMethod);
  if (rootUrl === undefined) return;
  const root = leadTo(rootUrl);
  router.get('/', (ctx) => setPrepared(ctx, root));
  router.all('/', refuseMethod);
}

function refuseMethod(): never {
  throw new Problem('method-not-allowed', { headers: { Allow: 'GET, HEAD' } });
}

function leadTo(url: string): PreparedAnswer {
  const headers = ['X-Request-Id', '', 'Content-Length', '0', 'Location', url];
  headers.push('Cache-Control', 'private, max-age=0');
  return { status: 302, reason: 'Found', headers, body: '' };
}

/**
 * Links may be followed by search engines, and nothing else is for them: neither our own paths nor previews
 * (RFC 9309; `$` ends a path).
 */
function robotsAnswer(paths: readonly string[]): PreparedAnswer {
  const lines = ['User-agent: *', 'Allow: /', 'Disallow: /*+$'];
  // A link may begin like a path of ours: `/urlshorty`.
  for (const path of paths) for (const end of ['$', '/', '?']) lines.push(`Disallow: ${path}${end}`);
  const body = `${lines.join('\n')}\n`;
  const headers = ['X-Request-Id', '', 'Cache-Control', 'public, max-age=3600'];
  headers.push('Content-Type', 'text/plain; charset=utf-8', 'Content-Length', String(body.length));
  return { status: 200, reason: 'OK', headers, body };
}
