import { expect } from 'chai';
import { until } from '../../until.ts';
import { expectProblem, type Answer } from '../client.ts';
import { problemKind } from './api-client.ts';
import type { People } from './people.ts';
import { useApi } from './use-api.ts';

describe('a key', () => {
  const fixture = useApi();
  const { api } = fixture;
  let people: People;

  before(() => {
    ({ people } = fixture);
  });

  it('shows when it was last used, to the minute', async () => {
    const ana = await people.person();
    const { key, keyId } = await people.key(ana, ['account']);
    await api.call('GET', '/users/me', { key });
    const lastUsed = async (): Promise<unknown> => {
      const { items } = (await api.call('GET', '/users/me/keys', { key })).json() as {
        items: Record<string, unknown>[];
      };
      return items.find((item) => item['key_id'] === keyId)?.['last_used_at'];
    };
    expect(String(await until('the record', lastUsed))).to.match(/:00\.000Z$/);
  });

  it('can make no key that may do more', async () => {
    const admin = await people.person({ isAdmin: true });
    const { key } = await people.key(admin, ['account', 'links:create']);
    const make = async (...scopes: string[]): Promise<Answer> =>
      api.call('POST', '/users/me/keys', { key, body: { name: 'a key', scopes } });
    expect((await make('links:create')).status).to.equal(201);
    for (const scopes of [['links:write'], ['links:create', 'admin']]) {
      const refused = await make(...scopes);
      expect([refused.status, problemKind(refused)]).to.deep.equal([403, 'missing-scope']);
      expect(refused.json()['detail']).to.include(scopes.at(-1));
    }
    const cookie = await people.session(await people.person());
    const body = { name: 'a key', scopes: ['admin'] };
    expectProblem(await api.call('POST', '/users/me/keys', { cookie, body }), 403);
  });

  it('expires when it says', async () => {
    const cookie = await people.session(await people.person());
    const soon = new Date(Date.now() + 1_500).toISOString();
    const body = { name: 'short', scopes: ['account'], expires_at: soon };
    const made = await api.call('POST', '/users/me/keys', { cookie, body });
    expect(made.json()['expires_at']).to.equal(soon);
    const key = String(made.json()['secret']);
    expect((await api.call('GET', '/users/me', { key })).status).to.equal(200);
    await until('its end', async () => (await api.call('GET', '/users/me', { key })).status === 401);
    expect(Date.now()).to.be.at.least(Date.parse(soon));
  });

  const REFUSED: readonly (readonly [what: string, change: object, field: string, reason: RegExp])[] = [
    ['no name', { name: undefined }, 'name', /is required/],
    ['an empty name', { name: '' }, 'name', /must not be empty/],
    ['no scope', { scopes: [] }, 'scopes', /at least one/],
    ['an unknown scope', { scopes: ['links:all'] }, 'scopes.0', /must be one of links:create/],
    ['a scope twice', { scopes: ['account', 'account'] }, 'scopes', /each scope once/],
    ['a text as scopes', { scopes: 'account' }, 'scopes', /must be a list/],
    ['an end in the past', { expires_at: '2020-01-01T00:00:00Z' }, 'expires_at', /past/],
    ['an end without a zone', { expires_at: '2030-01-01T00:00:00' }, 'expires_at', /./],
  ];
  for (const [what, change, field, reason] of REFUSED)
    it(`is refused with ${what}`, async () => {
      const cookie = await people.session(await people.person());
      const body = { name: 'a key', scopes: ['account'], ...change };
      const errors = expectProblem(await api.call('POST', '/users/me/keys', { cookie, body }), 422);
      expect(errors[0]?.field).to.equal(field);
      expect(errors[0]?.reason).to.match(reason);
    });

  it('is one of at most 100, also when many are made at the same time', async () => {
    const ana = await people.person();
    const cookie = await people.session(ana);
    for (let made = 0; made < 97; made += 1) await people.key(ana, ['account']);
    const body = { name: 'a key', scopes: ['account'] };
    const answers = await Promise.all(
      Array.from({ length: 4 }, async () => api.call('POST', '/users/me/keys', { cookie, body })),
    );
    // Those that run side by side do not see each other, so a few more may be made; the next one sees them
    // all.
    expect(answers.filter(({ status }) => status === 201)).to.have.length.at.least(3);
    expect(
      expectProblem(await api.call('POST', '/users/me/keys', { cookie, body }), 422)[0]?.reason,
    ).to.include('100 keys');
  });
});
