import { expect } from 'chai';
import { ENDPOINTS } from '../../../mapper/api/endpoints.ts';
import type { Endpoint } from '../../../mapper/api/endpoint.ts';
import { SCOPES, type Scope } from '../../../mapper/auth/scopes.ts';
import { problemKind, type CallOptions } from './api-client.ts';
import type { People, Person } from './people.ts';
import { useApi } from './use-api.ts';

/** Which scopes let a request in where a scope is wanted. Written by hand, after the contract. */
const SUFFICIENT: Readonly<Record<Scope, readonly Scope[]>> = {
  'links:create': ['links:create', 'links:write', 'admin'],
  'links:read': ['links:read', 'links:write', 'admin'],
  'links:write': ['links:write', 'admin'],
  'stats:read': ['stats:read', 'admin'],
  account: ['account', 'admin'],
  admin: ['admin'],
};

type Verdict = 'let in' | 'unauthenticated' | 'bad-credential' | 'missing-scope';

interface Caller {
  readonly name: string;
  /** Made anew for each cell, because some endpoints end what they are called with. */
  readonly credential: () => Promise<Pick<CallOptions, 'key' | 'cookie' | 'headers'>>;
  readonly expected: (wanted: Scope, isOptional: boolean) => Verdict;
}

const bad = (): Verdict => 'bad-credential';
const insider = (): Verdict => 'let in';

describe('who may call which endpoint', () => {
  const fixture = useApi();
  const { api } = fixture;
  let people: People;
  let ana: Person;
  let admin: Person;
  let disabled: Person;
  let deleted: Person;

  before(async () => {
    ({ people } = fixture);
    [ana, admin, disabled, deleted] = [
      await people.person(),
      await people.person({ isAdmin: true }),
      await people.person(),
      await people.person(),
    ];
    await people.db.users.setDisabled(disabled.id, true, new Date());
    await people.delete(deleted);
  });

  async function revokedKey(): Promise<{ key: string }> {
    const { key, keyId } = await people.key(ana, SCOPES);
    await people.db.keys.revoke(keyId, ana.id, new Date());
    return { key };
  }

  /** The last characters are a checksum, so the public part of a real key gets the rest of another one. */
  async function foreignSecret(): Promise<{ key: string }> {
    const { key } = await people.key(ana, SCOPES);
    const last = key.endsWith('0') ? '1' : '0';
    return { key: key.slice(0, -1) + last };
  }

  const CALLERS: readonly Caller[] = [
    {
      name: 'nobody',
      credential: async () => ({}),
      expected: (_, isOptional) => (isOptional ? 'let in' : 'unauthenticated'),
    },
    ...SCOPES.map((scope): Caller => ({
      name: `a key with ${scope}`,
      credential: async () => people.key(scope === 'admin' ? admin : ana, [scope]),
      expected: (wanted) => (SUFFICIENT[wanted].includes(scope) ? 'let in' : 'missing-scope'),
    })),
    {
      name: 'an admin key of a user who is no administrator',
      credential: async () => people.key(ana, ['admin']),
      expected: () => 'missing-scope',
    },
    {
      name: 'a key with a scope of a later release',
      credential: async () => people.key(ana, ['teams']),
      expected: () => 'missing-scope',
    },
    {
      name: 'a session',
      credential: async () => ({ cookie: await people.session(ana) }),
      expected: (wanted) => (wanted === 'admin' ? 'missing-scope' : 'let in'),
    },
    {
      name: 'a session of an administrator',
      credential: async () => ({ cookie: await people.session(admin) }),
      expected: insider,
    },
    {
      name: 'an expired key',
      credential: async () => people.key(ana, SCOPES, { expiresAt: new Date(Date.now() - 1) }),
      expected: bad,
    },
    { name: 'a revoked key', credential: revokedKey, expected: bad },
    { name: 'a key with a wrong character', credential: foreignSecret, expected: bad },
    { name: 'a key of a disabled user', credential: async () => people.key(disabled, SCOPES), expected: bad },
    {
      name: 'a key of a deleted account',
      credential: async () => people.key(deleted, SCOPES),
      expected: bad,
    },
    {
      name: 'an expired session',
      credential: async () => ({ cookie: await people.session(ana, { endsInMs: -1 }) }),
      expected: bad,
    },
    {
      name: 'a session of a disabled user',
      credential: async () => ({ cookie: await people.session(disabled) }),
      expected: bad,
    },
    {
      name: 'a made-up session',
      credential: async () => ({ cookie: `keymill_session=${'A'.repeat(43)}` }),
      expected: bad,
    },
    {
      name: 'a cookie of our name that is no session',
      credential: async () => ({ cookie: 'a=b; keymill_session=x' }),
      expected: bad,
    },
    {
      name: 'a password in the header',
      credential: async () => ({ headers: { authorization: 'Basic YTpi' } }),
      expected: bad,
    },
    { name: 'a text instead of a key', credential: async () => ({ key: 'km_short' }), expected: bad },
  ];

  for (const endpoint of ENDPOINTS.filter(({ access }) => access !== 'anyone')) {
    describe(`${endpoint.method} ${endpoint.path}`, () => {
      const wanted = wantedBy(endpoint);
      for (const { name, credential, expected } of CALLERS) {
        const verdict = expected(wanted, typeof endpoint.access === 'object');
        it(`${name}: ${verdict}`, async () => {
          const answer = await api.call(endpoint.method, endpoint.path.replaceAll(/\{\w+\}/g, 'none'), {
            ...(await credential()),
            ...(endpoint.body !== undefined && { body: {} }),
          });
          if (verdict === 'let in') {
            expect([401, 403], answer.text).not.to.include(answer.status);
            return;
          }
          expect([answer.status, problemKind(answer)]).to.deep.equal([
            verdict === 'missing-scope' ? 403 : 401,
            verdict,
          ]);
          if (answer.status === 401) expect(answer.headers['www-authenticate']).to.equal('Bearer');
          else expect(answer.json()['detail']).to.include(wanted);
        });
      }
    });
  }

  for (const endpoint of ENDPOINTS.filter(({ access }) => access === 'anyone'))
    it(`${endpoint.method} ${endpoint.path} looks at no credential`, async () => {
      const path = endpoint.path.replaceAll(/\{\w+\}/g, 'none');
      const expected = endpoint.method === 'GET' ? 404 : 422;
      for (const { credential } of CALLERS) {
        const options = { ...(await credential()), ...(endpoint.method !== 'GET' && { body: {} }) };
        const { status } = await api.call(endpoint.method, path, options);
        expect(status).to.equal(expected);
      }
    });
});

function wantedBy({ access }: Endpoint): Scope {
  if (access === 'anyone') throw new Error('it wants none');
  return typeof access === 'string' ? access : access.optional;
}
