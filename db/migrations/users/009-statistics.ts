import type { MigrationDb } from '../../mysql/migrate.ts';

/** It only adds, so release 0.1.0 may go on. */
export const compatibleFrom = 2;

/** The salt of each day under which visitors are counted; webhooks, and what became of their deliveries. */
export async function up(db: MigrationDb): Promise<void> {
  await createTable(
    db,
    'visitor_salts',
    `day DATE NOT NULL PRIMARY KEY COMMENT 'UTC; deleted after two days',
     salt BINARY(32) NOT NULL COMMENT 'random'`,
  );
  await createTable(
    db,
    'webhooks',
    `webhook_id BINARY(16) NOT NULL PRIMARY KEY,
     user_id BIGINT UNSIGNED NOT NULL,
     url TEXT CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
     events VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'separated by blanks',
     secret VARBINARY(255) NOT NULL COMMENT 'encrypted: it signs, so a hash is not enough',
     previous_secrets VARCHAR(4400) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT ''
       COMMENT 'hexadecimal digits:milliseconds until which it signs too, separated by blanks, the newest first',
     previous_until DATETIME(3) NULL COMMENT 'then none of them signs any more',
     created_at DATETIME(3) NOT NULL,
     listens_since DATETIME(3) NOT NULL COMMENT 'it is not told of links that expired before',
     failing_since DATETIME(3) NULL COMMENT 'no delivery has succeeded since then',
     disabled_at DATETIME(3) NULL,
     disabled_reason VARCHAR(1000) NULL,
     changed_at DATETIME(3) NOT NULL COMMENT 'since then somebody may want other events; by the clock of this server',
     KEY webhooks_user (user_id, created_at),
     KEY webhooks_changed (changed_at)`,
  );
  await createTable(
    db,
    'webhook_deliveries',
    `webhook_id BINARY(16) NOT NULL,
     attempted_at DATETIME(3) NOT NULL,
     delivery_id BINARY(16) NOT NULL,
     event_id BINARY(16) NOT NULL,
     event VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
     attempt SMALLINT UNSIGNED NOT NULL,
     status SMALLINT UNSIGNED NULL COMMENT 'of the answer; NULL: none came',
     reason VARCHAR(1000) NULL COMMENT 'why it failed',
     took_ms INT UNSIGNED NOT NULL,
     next_at DATETIME(3) NULL COMMENT 'of the next attempt; NULL: there is none',
     PRIMARY KEY (webhook_id, attempted_at, delivery_id),
     KEY webhook_deliveries_attempted (attempted_at)`,
  );
}

async function createTable(db: MigrationDb, name: string, columns: string): Promise<void> {
  await db.raw(`CREATE TABLE IF NOT EXISTS ${name} (${columns}) CHARSET utf8mb4 COLLATE utf8mb4_unicode_ci`);
}
