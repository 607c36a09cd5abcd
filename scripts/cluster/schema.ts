import { migrate } from '../../db/mysql/migrate.ts';
import { createLog } from '../../runtime/log.ts';

interface Where {
  readonly keysDbs: readonly { readonly url: string }[];
  readonly urlsDbs: readonly { readonly url: string }[];
  readonly usersDb: { readonly url: string };
}

/** Creates every database that is missing and brings its tables up to date. Idempotent. */
export async function migrateAll({ keysDbs, urlsDbs, usersDb }: Where): Promise<void> {
  const log = createLog('up', 'up', 'silent');
  await Promise.all([
    ...keysDbs.map(async ({ url }) => migrate(url, 'keys-db', log)),
    ...urlsDbs.map(async ({ url }) => migrate(url, 'urls', log)),
    migrate(usersDb.url, 'users', log),
  ]);
}
