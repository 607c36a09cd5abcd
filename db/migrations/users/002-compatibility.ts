import { createCompatibility, type MigrationDb } from '../../mysql/migrate.ts';

/** From here on the schema says which programs may use it. No released program is older. */
export async function up(db: MigrationDb): Promise<void> {
  await createCompatibility(db, 2);
}
