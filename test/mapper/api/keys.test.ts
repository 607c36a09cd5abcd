import { expect } from 'chai';
import { beforeEnd } from '../../before-end.ts';
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
    const { result: key, end } = await beforeEnd(1_500, async (soon) => {
      const body = { name: 'short', scopes: ['account'], expires_at: soon.toISOString() };
      const made = await api.call('POST', '/users/me/keys', { cookie, body });
      expect(made.json()['expires_at']).to.equal(soon.toISOString());
      const secret = String(made.json()['secret']);
      expect((await api.call('GET', '/users/me', { key: secret })).status).to.equal(200);
      return secret;
    });
    await until('its end', async () => (await api.call('GET', '/users/me', { key })).status === 401);
    expect(Date.now()).to.be.at.least(end.getTime());
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
    expect(answers.map(({ status }) => status)).to.have.members([201, 201, 201, 422]);
    const refused = answers.find(({ status }) => status === 422) as Answer;
    expect(expectProblem(refused, 422)[0]?.reason).to.include('100 keys');
  });

  describe('that was made with another key', () => {
    interface Made {
      readonly key: string;
      readonly keyId: string;
      readonly answer: Answer;
    }

    async function make(by: { key?: string; cookie?: string }, fields: object = {}): Promise<Made> {
      const body = { name: 'a key', scopes: ['account', 'links:create'], ...fields };
      const answer = await api.call('POST', '/users/me/keys', { ...by, body });
      const { secret, key_id: keyId } = answer.status === 201 ? answer.json() : {};
      return { key: String(secret), keyId: String(keyId), answer };
    }

    async function statusOf({ key }: Made): Promise<number> {
      return (await api.call('GET', '/users/me', { key })).status;
    }

    it('is revoked with it, and with the one before; its siblings go on', async () => {
      const cookie = await people.session(await people.person());
      const first = await make({ cookie });
      const second = await make({ key: first.key });
      const [third, sibling] = [await make({ key: second.key }), await make({ key: first.key })];
      const all = [first, second, third, sibling];
      expect(all.map(({ answer }) => answer.json()['made_with'])).to.deep.equal([
        null,
        first.keyId,
        second.keyId,
        first.keyId,
      ]);
      expect(await Promise.all(all.map(statusOf))).to.deep.equal([200, 200, 200, 200]);
      const revoke = async ({ keyId }: Made): Promise<number> =>
        (await api.call('DELETE', `/users/me/keys/${keyId}`, { cookie })).status;
      expect(await revoke(second)).to.equal(204);
      expect(await Promise.all(all.map(statusOf))).to.deep.equal([200, 401, 401, 200]);
      const { items } = (await api.call('GET', '/users/me/keys', { cookie })).json() as { items: object[] };
      expect(items.map((item) => (item as { key_id: string }).key_id)).to.have.members([
        first.keyId,
        sibling.keyId,
      ]);
      expect([await revoke(third), await revoke(first)]).to.deep.equal([404, 204]);
      expect(await Promise.all(all.map(statusOf))).to.deep.equal([401, 401, 401, 401]);
    });

    it('ends no later than it', async () => {
      const cookie = await people.session(await people.person());
      const soon = new Date(Date.now() + 60_000).toISOString();
      const first = await make({ cookie }, { expires_at: soon });
      expect((await make({ key: first.key })).answer.json()['expires_at']).to.equal(soon);
      const sooner = new Date(Date.now() + 30_000).toISOString();
      const second = await make({ key: first.key }, { expires_at: sooner });
      expect(second.answer.json()['expires_at']).to.equal(sooner);
      const late = await make({ key: second.key }, { expires_at: soon });
      expect(expectProblem(late.answer, 422)).to.deep.equal([
        { field: 'expires_at', reason: `must not be after the end of the key that makes it, ${sooner}` },
      ]);
    });

    it('is not good when that key was revoked at the same time', async function () {
      this.timeout(60_000);
      for (let round = 0; round < 10; round += 1) {
        const cookie = await people.session(await people.person());
        const first = await make({ cookie });
        const [, ...made] = await Promise.all([
          api.call('DELETE', `/users/me/keys/${first.keyId}`, { cookie }),
          ...Array.from({ length: 4 }, async () => make({ key: first.key })),
        ]);
        for (const one of made.filter(({ answer }) => answer.status === 201))
          expect(await statusOf(one), `round ${round}`).to.equal(401);
      }
    });

    it('needs a session that has not ended, whatever the mapper remembers', async () => {
      const ana = await people.person();
      const cookie = await people.session(ana);
      expect((await make({ cookie })).answer.status).to.equal(201);
      // As another mapper does, before this one has heard of it.
      await people.endSessions(ana);
      const late = await make({ cookie });
      expect([late.answer.status, problemKind(late.answer)]).to.deep.equal([401, 'bad-credential']);
    });
  });
});
