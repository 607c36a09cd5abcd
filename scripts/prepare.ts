import { readOperatorConfig } from '../runtime/config/config.ts';
import { messageOf } from '../runtime/errors.ts';
import { migrateAll } from './cluster/schema.ts';

/** Makes every database that is missing and brings its tables up to date; idempotent. What containers run before anything else. */
try {
  const { keysDbs, urlsDbs, usersDb } = readOperatorConfig().stores;
  await migrateAll({ keysDbs, urlsDbs, usersDb });
  process.stdout.write('databases ready\n');
} catch (error) {
  process.stderr.write(`keymill: ${messageOf(error)}\n`);
  process.exitCode = 1;
}
