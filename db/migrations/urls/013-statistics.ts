import type { MigrationDb } from '../../mysql/migrate.ts';

/** It only adds, so release 0.1.0 may go on. */
export const compatibleFrom = 7;

/**
 * Clicks by hour and by dimension, of links and of all links of an owner; events for webhooks.
 *
 * Processes of earlier releases go on adding to `clicks`. What stands there is moved to `click_days` and
 * `click_totals`, so the total of a link is always the sum of `click_totals` and `clicks`.
 */
export async function up(db: MigrationDb): Promise<void> {
  for (const [owner, columns, key] of [
    [
      'click',
      `slot TINYINT UNSIGNED NOT NULL COMMENT 'as in urls', unique_id ${KEY} NOT NULL`,
      'slot, unique_id',
    ],
    ['owner', 'user_id BIGINT UNSIGNED NOT NULL', 'user_id'],
  ] as const) {
    await createTable(
      db,
      `${owner}_hours`,
      `${columns}, hour DATETIME NOT NULL COMMENT 'UTC', ${COUNTS},
      PRIMARY KEY (${key}, hour)`,
    );
    await createTable(
      db,
      `${owner}_days`,
      `${columns}, day DATE NOT NULL COMMENT 'UTC; its hours are gone', ${COUNTS},
      PRIMARY KEY (${key}, day)`,
    );
    await createTable(
      db,
      `${owner}_values`,
      `${columns}, ${DIMENSION}, day DATE NOT NULL COMMENT 'UTC', ${VALUE}, ${COUNTS},
      PRIMARY KEY (${key}, dimension, day, value)`,
    );
    await createTable(
      db,
      `${owner}_months`,
      `${columns}, ${DIMENSION}, month DATE NOT NULL COMMENT 'its first day', ${VALUE}, ${COUNTS},
      PRIMARY KEY (${key}, dimension, month, value)`,
    );
    await createTable(
      db,
      `${owner}_visitors`,
      `${columns}, day DATE NOT NULL COMMENT 'UTC', ${SOURCE},
      sketch VARBINARY(4096) NOT NULL COMMENT 'HyperLogLog: counts visitors, and does not tell who they are',
      PRIMARY KEY (${key}, day, source)`,
    );
    await createTable(
      db,
      `${owner}_visitor_days`,
      `${columns}, day DATE NOT NULL COMMENT 'UTC; its sketches are gone',
      visitors BIGINT UNSIGNED NOT NULL,
      PRIMARY KEY (${key}, day)`,
    );
  }
  await createTable(
    db,
    'orphans',
    `day DATE NOT NULL COMMENT 'UTC',
     unique_id ${KEY} NOT NULL COMMENT 'that somebody asked for, and that nobody could follow',
     state VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'why: unknown or expired',
     asked BIGINT UNSIGNED NOT NULL,
     PRIMARY KEY (day, unique_id, state),
     KEY orphans_asked (day, asked, unique_id)`,
  );
  await createTable(
    db,
    'jobs',
    `name VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
     holder VARCHAR(96) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'the process that does it',
     until DATETIME(3) NOT NULL COMMENT 'then another process may go on',
     position VARBINARY(1024) NULL COMMENT 'what is done already; NULL: it begins again',
     done_at DATETIME(3) NULL COMMENT 'when it last came to its end',
     PRIMARY KEY (name)`,
  );
  await createTable(
    db,
    'outbox',
    `slot TINYINT UNSIGNED NOT NULL COMMENT 'of the link',
     id BINARY(16) NOT NULL COMMENT 'random',
     user_id BIGINT UNSIGNED NOT NULL COMMENT 'owner of the link',
     event VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
     body MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL COMMENT 'JSON: data of the event',
     created_at DATETIME(3) NOT NULL,
     webhook_id BINARY(16) NULL COMMENT 'to whom it is sent; NULL: a row for each of his webhooks follows',
     event_id BINARY(16) NULL COMMENT 'the id of the row without a webhook',
     due_at DATETIME(3) NOT NULL,
     claim BINARY(16) NULL COMMENT 'who sends it, until it is due again',
     attempts SMALLINT UNSIGNED NOT NULL DEFAULT 0,
     PRIMARY KEY (slot, id),
     KEY outbox_webhook (webhook_id, due_at, event),
     KEY outbox_claim (claim)`,
  );
  await createTable(
    db,
    'expiry_marks',
    `user_id BIGINT UNSIGNED NOT NULL PRIMARY KEY COMMENT 'an owner with webhooks',
     expired_to DATETIME(3) NOT NULL COMMENT 'links that expired before have their event',
     walks_to DATETIME(3) NULL COMMENT 'a walk over his links writes events of those that expired before',
     created_at DATETIME(3) NULL COMMENT 'of the last link of this walk that has its event',
     unique_id ${KEY} NULL COMMENT 'its key'`,
  );
}

const KEY = 'VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin';
const COUNTS = 'humans BIGINT UNSIGNED NOT NULL, bots BIGINT UNSIGNED NOT NULL';
const DIMENSION = "dimension TINYINT UNSIGNED NOT NULL COMMENT 'see db/clicks/dimensions.ts'";
const VALUE = `value ${KEY} NOT NULL`;
const SOURCE = `source VARCHAR(96) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'as in click_flushes'`;

async function createTable(db: MigrationDb, name: string, columns: string): Promise<void> {
  await db.raw(`CREATE TABLE IF NOT EXISTS ${name} (${columns}) CHARSET utf8mb4 COLLATE utf8mb4_unicode_ci`);
}
