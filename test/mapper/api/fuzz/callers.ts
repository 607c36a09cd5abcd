import { SCOPES } from '../../../../mapper/auth/scopes.ts';
import type { People } from '../people.ts';
import type { ApiFixture } from '../use-api.ts';
import { MALFORMED_CREDENTIALS } from './odd-values.ts';

/** Who sends a request. */
export interface Caller {
  readonly name: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly isAdmin: boolean;
  /** The right password of an account that may be lost. */
  readonly password?: string;
}

/** What is in the stores when the requests come. */
export interface Stage {
  /** They go on to the end. */
  readonly good: readonly Caller[];
  /** Their credentials may end while the requests come. */
  readonly passing: readonly Caller[];
  readonly bad: readonly Caller[];
  readonly keys: {
    readonly own: readonly string[];
    /** Of nobody, and deleted ones of another. */
    readonly others: readonly string[];
    readonly foreign: readonly string[];
  };
  readonly keyIds: readonly string[];
  readonly userIds: readonly string[];
  readonly email: string;
  /** Of lists of the own links, of another's, of tags and of users. */
  readonly cursors: readonly string[];
  /** The session of the one whose links nobody else may touch. */
  readonly foreignSession: string;
}

/** In the title and target of links that no answer may contain. */
export const FOREIGN_TEXT = 'f0reign-text';

/** As long as the longest run. */
const LONG = { endsInMs: 6 * 3_600_000 };

/** Puts people, keys, sessions, links and cursors into the stores. */
export async function setStage({ api, people, makeLink }: ApiFixture): Promise<Stage> {
  const [ana, admin, bert, stray, disabled] = [
    await people.person(),
    await people.person({ isAdmin: true }),
    await people.person(),
    await people.person(),
    await people.person(),
  ];
  const cookie = await people.session(ana, LONG);
  const adminSession = await people.session(admin, LONG);
  const foreignSession = await people.session(bert, LONG);
  const session = (name: string, value: string, more: Partial<Caller> = {}): Caller => ({
    name,
    headers: [['Cookie', value]],
    isAdmin: false,
    ...more,
  });
  const key = (name: string, { key }: { key: string }, more: Partial<Caller> = {}): Caller => ({
    name,
    headers: [['Authorization', `Bearer ${key}`]],
    isAdmin: false,
    ...more,
  });
  const scoped = await Promise.all(
    SCOPES.filter((scope) => scope !== 'admin').map(async (scope) =>
      key(`a key with ${scope}`, await people.key(ana, [scope])),
    ),
  );
  const revoked = await people.key(ana, SCOPES);
  await people.db.keys.revoke(revoked.keyId, ana.id, new Date());
  const disabledKey = await people.key(disabled, SCOPES);
  await people.db.users.setDisabled(disabled.id, true, new Date());
  const passing = [
    session('a session that may end', await people.session(stray), { password: 'a good long password' }),
    key('a key that may end', await people.key(stray, SCOPES), { password: 'a good long password' }),
  ];
  const linksOf = async (owner: string, count: number, title: string): Promise<string[]> =>
    Promise.all(
      Array.from({ length: count }, async (_, index) =>
        makeLink(owner, {
          long_url: `https://example.com/${title}/${index}`,
          title,
          tags: ['greetings', `t${index}`],
        }),
      ),
    );
  const foreign = await linksOf(foreignSession, 4, FOREIGN_TEXT);
  const deleted = await linksOf(foreignSession, 2, FOREIGN_TEXT);
  for (const link of deleted) await api.call('DELETE', `/urls/${link}`, { cookie: foreignSession });
  const made = await api.call('POST', '/urls', { body: { long_url: 'https://example.com/' } });
  const own = await linksOf(cookie, 12, 'own');
  const cursors = await Promise.all(
    (
      [
        [cookie, '/urls?limit=1'],
        [foreignSession, '/urls?limit=1'],
        [cookie, '/users/me/tags?limit=1'],
        [adminSession, '/admin/users?limit=1'],
      ] as const
    ).map(async ([who, path]) =>
      String((await api.call('GET', path, { cookie: who })).json()['next_cursor']),
    ),
  );
  return {
    good: [
      { name: 'nobody', headers: [], isAdmin: false },
      session('a session', cookie),
      session('a session of an administrator', adminSession, { isAdmin: true }),
      key('a key with admin', await people.key(admin, ['admin']), { isAdmin: true }),
      key('a key with all scopes', await people.key(ana, SCOPES)),
      ...scoped,
    ],
    passing,
    bad: [
      key('an expired key', await people.key(ana, SCOPES, { expiresAt: new Date(Date.now() - 1) })),
      key('a revoked key', revoked),
      key('a key of a disabled user', disabledKey),
      key('a key with a scope of a later release', await people.key(ana, ['teams'])),
      session('an expired session', await people.session(ana, { endsInMs: -1 })),
      ...MALFORMED_CREDENTIALS.map((header): Caller => ({
        name: `no credential: ${header.join(' ').slice(0, 60)}`,
        headers: [header],
        isAdmin: false,
      })),
    ],
    keys: { own, foreign, others: [...deleted, String(made.json()['unique_id']), 'unknown1', 'a', 'urls'] },
    keyIds: await keyIdsOf(people, stray.id, 5),
    userIds: [String(stray.id), String(disabled.id), '1', '0', '9223372036854775807', '9223372036854775808'],
    email: ana.email,
    cursors,
    foreignSession,
  };
}

async function keyIdsOf(people: People, id: bigint, count: number): Promise<string[]> {
  const made = await Promise.all(
    Array.from({ length: count }, async () => people.key({ id, email: '' }, ['account'])),
  );
  return [...made.map(({ keyId }) => keyId), 'AAAAAAAA'];
}
