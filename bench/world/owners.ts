import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createUserId } from '../../db/accounts/user-ids.ts';
import { openUsersDb } from '../../db/accounts/users-db.ts';
import { createApiKey } from '../../mapper/auth/secrets.ts';
import type { PrivateCluster } from './private-cluster.ts';

/** People with an API key each. */
export interface Owners {
  readonly keys: readonly string[];
  /** The same keys, one a line. */
  readonly file: string;
}

const AT_ONCE = 50;
/** No password has this hash. */
const NO_PASSWORD = '!';

/** Writes them into the users database, without a mapper. Each key may make links. */
export async function makeOwners(cluster: PrivateCluster, count: number): Promise<Owners> {
  const db = openUsersDb({ url: cluster.file.usersDb.url });
  try {
    const keys: string[] = [];
    while (keys.length < count)
      keys.push(...(await Promise.all(Array.from({ length: AT_ONCE }, async () => makeOwner(db)))));
    const file = join(cluster.dir, 'owners.txt');
    await writeFile(file, `${keys.join('\n')}\n`);
    return { keys, file };
  } finally {
    await db.close();
  }
}

async function makeOwner(db: ReturnType<typeof openUsersDb>): Promise<string> {
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
      scopes: ['links:create'],
      createdAt,
      expiresAt: null,
    },
    1,
  );
  return text;
}
