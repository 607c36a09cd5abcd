import { migrate } from '../../db/migrate.ts';
import { createLog } from '../../runtime/log.ts';
import type { Addresses } from './environment.ts';

/** Creates every database that is missing and brings its tables up to date. Idempotent. */
export async function migrateAll({ keysDbs, urlsDbs, usersDb }: Addresses): Promise<void> {
  const log = createLog('up', 'up', 'silent');
  await Promise.all([
    ...keysDbs.map(async ({ url }) => migrate(url, 'keys-db', log)),
    ...urlsDbs.map(async ({ url }) => migrate(url, 'urls', log)),
    migrate(usersDb.url, 'users', log),
  ]);
}
