import type { MigrationDb } from '../../mysql/migrate.ts';

/** It only adds, so release 0.1.0 may go on. */
export const compatibleFrom = 2;

/** A webhook that is on again is not told what it failed to take before it was switched off. */
export async function up(db: MigrationDb): Promise<void> {
  // Those who ask for webhooks wait behind it.
  await db.raw('SET SESSION lock_wait_timeout = 2');
  if (!(await db.schema.hasColumn('webhooks', 'drops_before')))
    await db.raw(`ALTER TABLE webhooks
      ADD COLUMN drops_before DATETIME(3) NULL COMMENT 'it was off then: what happened before is not told'`);
}
