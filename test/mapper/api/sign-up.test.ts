import { expect } from 'chai';
import { expectProblem, type Answer } from '../client.ts';
import type { World } from '../world.ts';
import { ApiClient, cookieOf, problemKind } from './api-client.ts';
import { PASSWORD, type People } from './people.ts';
import { useApi } from './use-api.ts';

describe('sign-up', () => {
  const fixture = useApi();
  const { api, signIn } = fixture;
  let world: World;
  let people: People;

  before(() => {
    ({ world, people } = fixture);
  });

  it('sign up, sign in, make a key, and make a link with it that has an owner', async () => {
    const made = await api.call('POST', '/users', { body: { email: 'Ana@Example.com', password: PASSWORD } });
    expect(made.status, made.text).to.equal(201);
    expect(made.json()).to.include({ email: 'ana@example.com', is_admin: false, first_name: null });
    const cookie = cookieOf(await signIn('ana@example.com'));
    expect((await api.call('GET', '/users/me', { cookie })).json()).to.deep.equal(made.json());
    const body = { name: 'one', scopes: ['links:write'] };
    const made2 = await api.call('POST', '/users/me/keys', { cookie, body });
    expect(made2.status, made2.text).to.equal(201);
    const key = String(made2.json()['secret']);
    expect(key).to.match(/^km_[0-9A-Za-z]{46}$/);
    const link = await api.call('POST', '/urls', { key, body: { long_url: 'https://example.com/' } });
    expect([link.status, Object.keys(link.json()).length]).to.deep.equal([201, 5]);
    expect(await ownerOf(link)).to.equal(made.json()['user_id']);
    const anonymous = await api.call('POST', '/urls', { body: { long_url: 'https://example.com/' } });
    expect(await ownerOf(anonymous)).to.equal(null);
  });

  async function ownerOf(link: Answer): Promise<string | null | undefined> {
    for (const { sql } of world.urls) {
      const [rows] = await sql.query('SELECT CAST(user_id AS CHAR) AS id FROM urls WHERE unique_id = ?', [
        link.json()['unique_id'],
      ]);
      const [row] = rows as { id: string | null }[];
      if (row !== undefined) return row.id;
    }
    return undefined;
  }

  const REFUSED: readonly (readonly [what: string, body: object, field: string, reason: RegExp])[] = [
    ['no email', { password: PASSWORD }, 'email', /is required/],
    ['a number as email', { email: 5, password: PASSWORD }, 'email', /must be a string/],
    ['no address', { email: 'ana', password: PASSWORD }, 'email', /must be an email address/],
    ['an address without a domain', { email: 'ana@localhost', password: PASSWORD }, 'email', /domain/],
    ['a blank in the address', { email: 'a na@example.com', password: PASSWORD }, 'email', /before the @/],
    ['a long address', { email: `ana@${'a.'.repeat(130)}com`, password: PASSWORD }, 'email', /254/],
    ['a short password', { email: 'x@example.com', password: 'short' }, 'password', /at least 10/],
    ['a common password', { email: 'x@example.com', password: 'Password123' }, 'password', /tried first/],
    ['a long password', { email: 'x@example.com', password: 'é'.repeat(513) }, 'password', /1024 bytes/],
    [
      'a lone surrogate in the password',
      { email: 'x@example.com', password: `${PASSWORD}\ud800` },
      'password',
      /well-formed/,
    ],
    [
      'a lone surrogate in a name',
      { first_name: 'a\udc00', email: 'x@example.com', password: PASSWORD },
      'first_name',
      /well-formed/,
    ],
    [
      'a NUL in a name',
      { last_name: 'a\0', email: 'x@example.com', password: PASSWORD },
      'last_name',
      /control/,
    ],
    [
      'a long name',
      { first_name: 'a'.repeat(101), email: 'x@example.com', password: PASSWORD },
      'first_name',
      /100/,
    ],
    [
      'an unknown field',
      { is_admin: true, email: 'x@example.com', password: PASSWORD },
      'is_admin',
      /unknown field/,
    ],
  ];
  for (const [what, body, field, reason] of REFUSED)
    it(`refuses ${what}`, async () => {
      const answer = await api.call('POST', '/users', { body });
      const errors = expectProblem(answer, 422);
      expect(errors.map((error) => error.field)).to.deep.equal([field]);
      expect(errors[0]?.reason).to.match(reason);
    });

  it('refuses an email that is taken, in any spelling', async () => {
    const { email } = await people.person();
    for (const spelling of [email, email.toUpperCase(), ` ${email} `]) {
      const answer = await api.call('POST', '/users', { body: { email: spelling, password: PASSWORD } });
      expect(expectProblem(answer, 409)).to.deep.equal([{ field: 'email', reason: 'is taken' }]);
    }
  });

  it('gives an email to one of many that ask for it at the same time', async () => {
    const body = { email: 'many@example.com', password: PASSWORD };
    const answers = await Promise.all(
      Array.from({ length: 8 }, async () => api.call('POST', '/users', { body })),
    );
    expect(answers.map(({ status }) => status)).to.have.members([201, 409, 409, 409, 409, 409, 409, 409]);
  });

  it('compares domains in ASCII and passwords in one form', async () => {
    const body = { email: 'ana@bücher.example', password: 'ein schlüssel lang' };
    const made = await api.call('POST', '/users', { body });
    expect(made.json()['email']).to.equal('ana@xn--bcher-kva.example');
    const answer = await signIn('ANA@BÜCHER.example', 'ein schlu\u0308ssel lang');
    expect(answer.status).to.equal(200);
  });

  it('is refused where it is closed', async () => {
    const closed = await world.start({ signup: 'closed' });
    const other = new ApiClient(() => closed.url, api.document);
    const body = { email: 'closed@example.com', password: PASSWORD };
    const answer = await other.call('POST', '/users', { body });
    expect([answer.status, problemKind(answer)]).to.deep.equal([403, 'signup-closed']);
    await closed.stop();
  });
});
