import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { ENDPOINTS } from '../../../mapper/api/endpoints.ts';
import { expectProblem, send, type Answer } from '../client.ts';
import { useApi } from './use-api.ts';

/** The paths that only pages have, with the methods that make sense there. */
const PAGES: Readonly<Record<string, string>> = {
  '/signup': 'GET, HEAD, POST',
  '/settings': 'GET, HEAD, POST',
  '/settings/password': 'GET, HEAD, POST',
  '/settings/delete': 'GET, HEAD, POST',
  '/settings/keys': 'GET, HEAD, POST',
  '/settings/keys/4fZk9QxT/revoke': 'GET, HEAD, POST',
  '/settings/webhooks': 'GET, HEAD, POST',
  '/settings/webhooks/1': 'GET, HEAD, POST',
  '/settings/webhooks/1/switch': 'POST',
  '/settings/webhooks/1/test': 'POST',
  '/settings/webhooks/1/secret': 'POST',
  '/settings/webhooks/1/delete': 'GET, HEAD, POST',
  '/urls/QFXOHkP7/delete': 'POST',
  '/urls/-/new': 'GET, HEAD, POST',
  '/urls/-/statistics': 'GET, HEAD',
  '/import/1/delete': 'POST',
  '/admin': 'GET, HEAD',
  '/admin/domains/example.com/unblock': 'POST',
  '/docs': 'GET, HEAD',
  '/openapi.json': 'GET, HEAD',
  '/robots.txt': 'GET, HEAD',
  '/static/0/pages.css': 'GET, HEAD',
};

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND'];

describe('a method that makes no sense on a path', () => {
  const fixture = useApi({ hasImages: true });

  const ask = async (method: string, path: string, accept = '*/*'): Promise<Answer> =>
    send(method, fixture.mapper.url + path, { headers: { accept } });

  function expectRefused(answer: Answer, allow: string, what: string): void {
    expect([answer.status, answer.headers.allow], what).to.deep.equal([405, allow]);
  }

  for (const [path, allow] of Object.entries(PAGES))
    it(`is 405 for a page: ${path}`, async () => {
      const allowed = allow.split(', ');
      for (const method of METHODS.filter((one) => !allowed.includes(one))) {
        const answer = await ask(method, path);
        expectRefused(answer, allow, method);
        if (method !== 'HEAD') expectProblem(answer, 405);
      }
      for (const method of allowed) expect((await ask(method, path)).status, method).not.to.equal(405);
    });

  it('is 405 for each path of the API', async () => {
    for (const [path, declared] of Map.groupBy(ENDPOINTS, (endpoint) => endpoint.path)) {
      const at = path.replaceAll(/\{\w+\}/g, 'QFXOHkP7');
      for (const method of METHODS) {
        const asked = method === 'HEAD' ? 'GET' : method;
        const isServed = declared.some((one) => one.method === asked || (one.hasPage && asked === 'GET'));
        const answer = await ask(method, at);
        if (isServed) expect(answer.status, `${method} ${path}`).not.to.equal(405);
        else {
          expect(answer.status, `${method} ${path}`).to.equal(405);
          const allow = String(answer.headers.allow).split(', ');
          for (const one of declared) expect(allow, `${method} ${path}`).to.include(one.method);
          expect(allow, `${method} ${path}`).not.to.include(method);
        }
      }
    }
  });

  it('is a page for people who open the address of a form', async () => {
    const answer = await ask('GET', '/urls/QFXOHkP7/delete', 'text/html');
    expect([answer.status, answer.headers.allow]).to.deep.equal([405, 'POST']);
    expect(answer.headers['content-type']).to.include('text/html');
    expect(answer.text).to.include('Only a form is sent to this address.');
  });

  it('is 404 where there is no such path', async () => {
    for (const path of ['/settings/nothing', '/urls/a/b/c', '/admin/nothing', '/static/x', '/login/x'])
      expect((await ask('PUT', path)).status, path).to.equal(404);
  });

  it('is looked at for all pages that there are', () => {
    const room = join(import.meta.dirname, '../../../mapper');
    const added = globSync(['pages/*.ts', 'link-pages/*.ts'], { cwd: room })
      .flatMap((file) => [
        ...readFileSync(join(room, file), 'utf8').matchAll(/pages\.(?:get|post|upload)\(\s*'([^']+)'/g),
      ])
      .map(([, path = '']) => path);
    const shapeOf = (path: string): RegExp => new RegExp(`^${path.replaceAll(/:\w+|\{\w+\}/g, '[^/]+')}$`);
    const ofApi = ENDPOINTS.map(({ path }) => path.replaceAll(/\{\w+\}/g, 'x'));
    // Programs find nothing at the root, as the test of the front page says.
    const missing = new Set(added).difference(new Set(['/', '/docs/style']));
    for (const path of missing) {
      const isKnown = [...Object.keys(PAGES), ...ofApi].some((one) => shapeOf(path).test(one));
      expect(isKnown, path).to.equal(true);
    }
    expect(added.length).to.be.greaterThan(20);
  });
});
