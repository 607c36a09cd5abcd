import { expect } from 'chai';
import { startAdmin } from '../../runtime/admin.ts';
import { KeymillError } from '../../runtime/errors.ts';
import { createLog } from '../../runtime/log.ts';
import { createMetrics } from '../../runtime/metrics.ts';

describe('admin port', () => {
  it('answers livez, readyz and metrics, and its routes', async () => {
    const metrics = createMetrics();
    metrics.counter('things_total', 'things').inc();
    let ok = false;
    await using admin = await startAdmin({
      host: '127.0.0.1',
      port: 0,
      metrics,
      ready: () => ({ ok, waitingFor: 'godot' }),
      routes: {
        'POST /echo': async (body) => body,
        'POST /refuse': async () => {
          throw new KeymillError('NOT_NOW', 'not now');
        },
      },
      log: createLog('test', 'admin', 'silent'),
    });
    expect((await fetch(`${admin.url}/livez`)).status).to.equal(200);
    const unready = await fetch(`${admin.url}/readyz`);
    expect([unready.status, await unready.json()]).to.deep.equal([503, { ok: false, waitingFor: 'godot' }]);
    ok = true;
    expect((await fetch(`${admin.url}/readyz`)).status).to.equal(200);
    expect(await (await fetch(`${admin.url}/metrics`)).text()).to.contain('keymill_things_total 1');
    const post = (path: string, body: string): Promise<Response> =>
      fetch(admin.url + path, { method: 'POST', body });
    expect(await (await post('/echo', '{"a":1}')).json()).to.deep.equal({ a: 1 });
    expect((await post('/echo', '{')).status).to.equal(409);
    expect((await post('/refuse', '')).status).to.equal(409);
    expect((await post('/nowhere', '')).status).to.equal(404);
  });

  it('bound to every address, it names one under which other processes reach it', async () => {
    await using admin = await startAdmin({
      host: '0.0.0.0',
      port: 0,
      metrics: createMetrics(),
      ready: () => ({ ok: true }),
      log: createLog('test', 'admin', 'silent'),
    });
    expect(admin.url).not.to.contain('0.0.0.0');
    expect((await fetch(`${admin.url}/livez`)).status).to.equal(200);
  });
});
