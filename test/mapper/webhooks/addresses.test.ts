import { expect } from 'chai';
import { expectProblem } from '../client.ts';
import { NameServer } from './name-server.ts';
import { useWebhooks } from './use-webhooks.ts';

const PRIVATE = 'its name leads to a private or reserved address';

/** Addresses that nothing may be sent to, as a name server says them. */
const PRIVATE_ANSWERS: Readonly<Record<string, readonly string[]>> = {
  'loopback.example': ['127.0.0.1'],
  'this-network.example': ['0.0.0.0'],
  'metadata.example': ['169.254.169.254'],
  'lan.example': ['192.168.1.1'],
  'carrier.example': ['100.64.0.1'],
  'one-of-two.example': ['8.8.8.8', '10.0.0.1'],
  'loopback6.example': ['::1'],
  'mapped.example': ['::ffff:10.0.0.1'],
  'local6.example': ['fd00::1'],
  'nat64.example': ['64:ff9b::7f00:1'],
  'six-of-two.example': ['8.8.8.8', 'fe80::1'],
};

describe('the addresses of webhooks, where private ones are forbidden', () => {
  let names: NameServer;
  const fixture = useWebhooks({ allowPrivateTargets: false });
  const { api, owner, call } = fixture;

  before(async () => {
    names = await NameServer.open();
  });

  after(async () => names[Symbol.asyncDispose]());

  for (const url of [
    'http://127.0.0.1/',
    'http://localhost:8080/',
    'http://[::1]/',
    'http://[::ffff:10.0.0.1]/',
    'http://0x7f.1/',
    'https://169.254.169.254/latest/meta-data',
  ])
    it(`are refused when a webhook is made: ${url}`, async () => {
      const { cookie } = await owner();
      const answer = await api.call('POST', '/users/me/webhooks', { cookie, body: { url } });
      expectProblem(answer, 422);
      expect(answer.json()['errors']).to.deep.equal([
        { field: 'url', reason: 'points at a private or reserved address' },
      ]);
    });

  describe('behind names', () => {
    let other: Awaited<ReturnType<typeof fixture.world.start>>;

    before(async () => {
      other = await fixture.world.start({ webhooks: { nameServers: [names.address], retryMs: 60_000 } });
    });

    after(async () => other.stop());

    /** What becomes of a test of a webhook at this host. */
    async function test(host: string): Promise<Record<string, unknown>> {
      const ana = await owner();
      const url = `http://${host}:${fixture.receiver.port}/private`;
      const made = await api.call('POST', '/users/me/webhooks', { cookie: ana.cookie, body: { url } });
      expect(made.status, made.text).to.equal(201);
      const path = `/users/me/webhooks/${String(made.json()['webhook_id'])}/test`;
      const answer = await fetch(other.url + path, { method: 'POST', headers: { cookie: ana.cookie } });
      return (await answer.json()) as Record<string, unknown>;
    }

    afterEach(() => {
      expect(fixture.receiver.dataAt('/private')).to.deep.equal([]);
    });

    for (const [host, addresses] of Object.entries(PRIVATE_ANSWERS))
      it(`are not sent to: ${addresses.join(' and ')}`, async () => {
        names.set(host, addresses);
        expect(await test(host)).to.deep.include({ status: null, reason: PRIVATE });
      });

    it('are looked up once for each attempt: the one that was checked is the one that is connected to', async () => {
      // Nobody answers at the first address, which is a public one; the second look would lead to us.
      names.set('rebinding.example', ['192.0.9.1'], ['127.0.0.1']);
      const first = await test('rebinding.example');
      expect(first['reason']).not.to.equal(PRIVATE);
      expect(first['status']).to.equal(null);
      expect(names.asked.get('rebinding.example')).to.equal(1);
      expect(await test('rebinding.example')).to.deep.include({ status: null, reason: PRIVATE });
    });

    it('say that a name does not exist', async () => {
      expect(await test('unknown.example')).to.deep.include({ reason: 'its name has no address' });
    });
  });

  it('are judged again at each attempt, after the rules have changed', async () => {
    const ana = await owner();
    const lax = await fixture.world.start({ allowPrivateTargets: true });
    const made = await fetch(`${lax.url}/users/me/webhooks`, {
      method: 'POST',
      headers: { cookie: ana.cookie, 'content-type': 'application/json' },
      body: JSON.stringify({ url: `${fixture.receiver.url}private` }),
    });
    const { webhook_id: id } = (await made.json()) as { webhook_id: string };
    await lax.stop();
    const tested = await call('POST', ana, id, '/test');
    expect(tested.json()['reason']).to.equal('its URL points at a private or reserved address');
    expect(fixture.receiver.dataAt('/private')).to.deep.equal([]);
  });
});
