import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createUserId } from '../../db/accounts/user-ids.ts';
import { openUsersDb } from '../../db/accounts/users-db.ts';
import { createApiKey } from '../../mapper/auth/secrets.ts';
import type { PrivateCluster } from './private-cluster.ts';

/** People with an API key each. */
export interface Owners {
  readonly keys: readonly string[];
  /** Of the users, in the order of their keys. */
  readonly ids: readonly bigint[];
  /** The same keys, one a line. */
  readonly file: string;
}

const AT_ONCE = 50;
/** No password has this hash. */
export const NO_PASSWORD = '!';

/** Writes them into the users database, without a mapper. */
export async function makeOwners(
  cluster: PrivateCluster,
  count: number,
  scopes: readonly string[] = ['links:create'],
): Promise<Owners> {
  const db = openUsersDb({ url: cluster.file.usersDb.url });
  try {
    const owners: { id: bigint; key: string }[] = [];
    while (owners.length < count)
      owners.push(...(await Promise.all(Array.from({ length: AT_ONCE }, async () => makeOwner(db, scopes)))));
    const keys = owners.map(({ key }) => key);
    const file = join(cluster.dir, 'owners.txt');
    await writeFile(file, `${keys.join('\n')}\n`);
    return { keys, ids: owners.map(({ id }) => id), file };
  } finally {
    await db.close();
  }
}

async function makeOwner(
  db: ReturnType<typeof openUsersDb>,
  scopes: readonly string[],
): Promise<{ id: bigint; key: string }> {
  const createdAt = new Date();
  const id = createUserId(createdAt.getTime());
  const { id: keyId, text, hash } = createApiKey();
  await db.users.create({
    id,
    email: `${keyId.toLowerCase()}-${id}@bench.example`,
    password: NO_PASSWORD,
    isAdmin: false,
    createdAt,
    firstName: null,
    middleName: null,
    lastName: null,
  });
  await db.keys.create(
    {
      id: keyId,
      userId: id,
      name: 'bench',
      secretHash: hash,
      scopes,
      createdAt,
      expiresAt: null,
    },
    1,
  );
  return { id, key: text };
}
