import { Router } from '@koa/router';
import { expect } from 'chai';
import { ENDPOINTS } from '../../mapper/api/endpoints.ts';
import type { HandlerOptions, HandlerParts } from '../../mapper/handler-parts.ts';
import { addApi } from '../../mapper/open-api.ts';
import { API_PATHS, isOwnPath, OWN_PATHS } from '../../mapper/own-paths.ts';

describe('the paths that are no links', () => {
  it('of the API are those of its endpoints, and its document', () => {
    const declared = ENDPOINTS.map(({ path }) => `/${path.split('/')[1] ?? ''}`);
    expect([...new Set([...declared, '/openapi.json'])]).to.deep.equal(API_PATHS);
  });

  it('are told from links in whatever way a path is written', () => {
    for (const path of OWN_PATHS)
      for (const url of [path, `${path}/`, `${path}/x/y?z`, `${path}?q`, `http://host${path}`])
        expect(isOwnPath(url), url).to.equal(true);
    for (const url of [undefined, '', '/', '/?url=x', '//urls', '/\\urls', '*', '/urls#x', '/ urls'])
      expect(isOwnPath(url), String(url)).to.equal(true);
    for (const url of ['/abc', '/urlsabc', '/abc/urls', '/abc+', '/.env', '/wp-login.php?x=/urls', '/URLS'])
      expect(isOwnPath(url), url).to.equal(false);
  });

  it('are those of every route of the API and of the pages', () => {
    const router = new Router({ strict: true, sensitive: true });
    const given: Record<string | symbol, unknown> = {
      corsOrigins: ['*'],
      publicUrl: 'http://x',
      rootUrl: undefined,
    };
    // Whatever else they ask for, while they add their routes.
    const anything: unknown = new Proxy(() => undefined, {
      get: (_, name) => (name in given ? given[name] : name === Symbol.iterator ? undefined : anything),
    });
    addApi(router, anything as HandlerOptions, anything as HandlerParts);
    const paths = router.stack.map(({ path }) => String(path));
    expect(paths).to.include.members(['/urls/:key/stats', '/docs/style', '/settings/keys', '/login', '/']);
    expect(paths.filter((path) => !isOwnPath(path))).to.deep.equal([]);
  });
});
