CREATE TABLE `click_days` (
  `slot` tinyint(3) unsigned NOT NULL COMMENT 'as in urls',
  `unique_id` varchar(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `day` date NOT NULL COMMENT 'UTC; its hours are gone',
  `humans` bigint(20) unsigned NOT NULL,
  `bots` bigint(20) unsigned NOT NULL,
  PRIMARY KEY (`slot`,`unique_id`,`day`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `click_flushes` (
  `source` varchar(96) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'one process of a mapper, from its start to its end',
  `seq` bigint(20) unsigned NOT NULL COMMENT 'of its last flush',
  `flushed_at` datetime(3) NOT NULL,
  PRIMARY KEY (`source`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `click_hours` (
  `slot` tinyint(3) unsigned NOT NULL COMMENT 'as in urls',
  `unique_id` varchar(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `hour` datetime NOT NULL COMMENT 'UTC',
  `humans` bigint(20) unsigned NOT NULL,
  `bots` bigint(20) unsigned NOT NULL,
  PRIMARY KEY (`slot`,`unique_id`,`hour`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `click_months` (
  `slot` tinyint(3) unsigned NOT NULL COMMENT 'as in urls',
  `unique_id` varchar(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `dimension` tinyint(3) unsigned NOT NULL COMMENT 'see db/clicks/dimensions.ts',
  `month` date NOT NULL COMMENT 'its first day',
  `value` varchar(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `humans` bigint(20) unsigned NOT NULL,
  `bots` bigint(20) unsigned NOT NULL,
  PRIMARY KEY (`slot`,`unique_id`,`dimension`,`month`,`value`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `click_totals` (
  `slot` tinyint(3) unsigned NOT NULL COMMENT 'as in urls',
  `unique_id` varchar(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `humans` bigint(20) unsigned NOT NULL,
  `bots` bigint(20) unsigned NOT NULL,
  PRIMARY KEY (`slot`,`unique_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `click_values` (
  `slot` tinyint(3) unsigned NOT NULL COMMENT 'as in urls',
  `unique_id` varchar(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `dimension` tinyint(3) unsigned NOT NULL COMMENT 'see db/clicks/dimensions.ts',
  `day` date NOT NULL COMMENT 'UTC',
  `value` varchar(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `humans` bigint(20) unsigned NOT NULL,
  `bots` bigint(20) unsigned NOT NULL,
  PRIMARY KEY (`slot`,`unique_id`,`dimension`,`day`,`value`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `click_visitor_days` (
  `slot` tinyint(3) unsigned NOT NULL COMMENT 'as in urls',
  `unique_id` varchar(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `day` date NOT NULL COMMENT 'UTC; its sketches are gone',
  `visitors` bigint(20) unsigned NOT NULL,
  PRIMARY KEY (`slot`,`unique_id`,`day`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `click_visitors` (
  `slot` tinyint(3) unsigned NOT NULL COMMENT 'as in urls',
  `unique_id` varchar(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `day` date NOT NULL COMMENT 'UTC',
  `source` varchar(96) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'as in click_flushes',
  `sketch` varbinary(4096) NOT NULL COMMENT 'HyperLogLog: counts visitors, and does not tell who they are',
  PRIMARY KEY (`slot`,`unique_id`,`day`,`source`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `clicks` (
  `slot` tinyint(3) unsigned NOT NULL COMMENT 'as in urls',
  `unique_id` varchar(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `day` date NOT NULL COMMENT 'UTC',
  `clicks` bigint(20) unsigned NOT NULL,
  PRIMARY KEY (`slot`,`unique_id`,`day`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `deletions` (
  `deleted_at` datetime(3) NOT NULL COMMENT 'as in urls',
  `slot` tinyint(3) unsigned NOT NULL,
  `unique_id` varchar(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  PRIMARY KEY (`deleted_at`,`slot`,`unique_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `expiry_marks` (
  `user_id` bigint(20) unsigned NOT NULL COMMENT 'an owner with webhooks',
  `expired_to` datetime(3) NOT NULL COMMENT 'links that expired before have their event',
  `walks_to` datetime(3) DEFAULT NULL COMMENT 'a walk over his links writes events of those that expired before',
  `created_at` datetime(3) DEFAULT NULL COMMENT 'of the last link of this walk that has its event',
  `unique_id` varchar(255) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL COMMENT 'its key',
  PRIMARY KEY (`user_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `foreign_codes` (
  `id` tinyint(3) unsigned NOT NULL,
  `since` datetime(3) NOT NULL,
  PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `import_batches` (
  `slot` tinyint(3) unsigned NOT NULL COMMENT 'as in imports',
  `import_id` binary(16) NOT NULL,
  `batch` int(10) unsigned NOT NULL COMMENT 'some successive records of the file, from 0',
  `unique_ids` mediumtext CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'JSON: the key of each link without a code, by row and part',
  `outcome` mediumtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL COMMENT 'JSON; NULL: not done',
  PRIMARY KEY (`slot`,`import_id`,`batch`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `imports` (
  `slot` tinyint(3) unsigned NOT NULL COMMENT 'crc32(hex(import_id), in small letters) % 32',
  `import_id` binary(16) NOT NULL COMMENT 'hash of the file, its options and the owner',
  `begun_at` datetime(3) NOT NULL COMMENT 'stands for now, also when the import is repeated',
  `used_at` datetime(3) NOT NULL DEFAULT current_timestamp(3) COMMENT 'when it began last',
  `batch_characters` int(10) unsigned DEFAULT NULL COMMENT 'of records: then a batch ends; NULL: without such an end',
  PRIMARY KEY (`slot`,`import_id`),
  KEY `imports_used` (`used_at`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `jobs` (
  `name` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `holder` varchar(96) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'the process that does it',
  `until` datetime(3) NOT NULL COMMENT 'then another process may go on',
  `position` varbinary(1024) DEFAULT NULL COMMENT 'what is done already; NULL: it begins again',
  `done_at` datetime(3) DEFAULT NULL COMMENT 'when it last came to its end',
  PRIMARY KEY (`name`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `keyspace` (
  `id` tinyint(3) unsigned NOT NULL,
  `fingerprint` varchar(64) NOT NULL,
  `key_length` tinyint(3) unsigned NOT NULL,
  `region_bits` tinyint(3) unsigned NOT NULL,
  PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `link_tags` (
  `user_id` bigint(20) unsigned NOT NULL,
  `tag` varbinary(200) NOT NULL COMMENT 'UTF-8; as text, it would be equal with and without blanks at its end',
  `created_at` datetime(3) NOT NULL COMMENT 'of the link, as in urls',
  `unique_id` varchar(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `slot` tinyint(3) unsigned NOT NULL,
  `is_deleted` tinyint(1) NOT NULL DEFAULT 0 COMMENT '1: the link is deleted, and its tags do not count',
  PRIMARY KEY (`user_id`,`tag`,`created_at`,`unique_id`),
  KEY `link_tags_link` (`slot`,`unique_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `marks` (
  `keys_db` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `beat` bigint(20) unsigned NOT NULL COMMENT 'counted up by the holder, never down',
  `claimed_to` bigint(20) unsigned NOT NULL COMMENT 'the claim mark of the keys-db then',
  PRIMARY KEY (`keys_db`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `orphans` (
  `day` date NOT NULL COMMENT 'UTC',
  `unique_id` varchar(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'that somebody asked for, and that nobody could follow',
  `state` varchar(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'why: unknown or expired',
  `asked` bigint(20) unsigned NOT NULL,
  PRIMARY KEY (`day`,`unique_id`,`state`),
  KEY `orphans_asked` (`day`,`asked`,`unique_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `outbox` (
  `slot` tinyint(3) unsigned NOT NULL COMMENT 'of the link',
  `id` binary(16) NOT NULL COMMENT 'random',
  `user_id` bigint(20) unsigned NOT NULL COMMENT 'owner of the link',
  `event` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `body` mediumtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL COMMENT 'JSON: data of the event',
  `created_at` datetime(3) NOT NULL,
  `webhook_id` binary(16) DEFAULT NULL COMMENT 'to whom it is sent; NULL: a row for each of his webhooks follows',
  `event_id` binary(16) DEFAULT NULL COMMENT 'the id of the row without a webhook',
  `due_at` datetime(3) NOT NULL,
  `claim` binary(16) DEFAULT NULL COMMENT 'who sends it, until it is due again',
  `attempts` smallint(5) unsigned NOT NULL DEFAULT 0,
  PRIMARY KEY (`slot`,`id`),
  KEY `outbox_webhook` (`webhook_id`,`due_at`,`event`),
  KEY `outbox_claim` (`claim`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `owned` (
  `user_id` bigint(20) unsigned NOT NULL,
  `created_at` datetime(3) NOT NULL COMMENT 'as in urls',
  `unique_id` varchar(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `slot` tinyint(3) unsigned NOT NULL,
  `target_hash` binary(16) NOT NULL COMMENT 'of the target: the first half of its SHA-256',
  PRIMARY KEY (`user_id`,`created_at`,`unique_id`),
  KEY `owned_target` (`user_id`,`target_hash`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `owner_days` (
  `user_id` bigint(20) unsigned NOT NULL,
  `day` date NOT NULL COMMENT 'UTC; its hours are gone',
  `humans` bigint(20) unsigned NOT NULL,
  `bots` bigint(20) unsigned NOT NULL,
  PRIMARY KEY (`user_id`,`day`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `owner_hours` (
  `user_id` bigint(20) unsigned NOT NULL,
  `hour` datetime NOT NULL COMMENT 'UTC',
  `humans` bigint(20) unsigned NOT NULL,
  `bots` bigint(20) unsigned NOT NULL,
  PRIMARY KEY (`user_id`,`hour`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `owner_months` (
  `user_id` bigint(20) unsigned NOT NULL,
  `dimension` tinyint(3) unsigned NOT NULL COMMENT 'see db/clicks/dimensions.ts',
  `month` date NOT NULL COMMENT 'its first day',
  `value` varchar(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `humans` bigint(20) unsigned NOT NULL,
  `bots` bigint(20) unsigned NOT NULL,
  PRIMARY KEY (`user_id`,`dimension`,`month`,`value`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `owner_values` (
  `user_id` bigint(20) unsigned NOT NULL,
  `dimension` tinyint(3) unsigned NOT NULL COMMENT 'see db/clicks/dimensions.ts',
  `day` date NOT NULL COMMENT 'UTC',
  `value` varchar(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `humans` bigint(20) unsigned NOT NULL,
  `bots` bigint(20) unsigned NOT NULL,
  PRIMARY KEY (`user_id`,`dimension`,`day`,`value`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `owner_visitor_days` (
  `user_id` bigint(20) unsigned NOT NULL,
  `day` date NOT NULL COMMENT 'UTC; its sketches are gone',
  `visitors` bigint(20) unsigned NOT NULL,
  PRIMARY KEY (`user_id`,`day`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `owner_visitors` (
  `user_id` bigint(20) unsigned NOT NULL,
  `day` date NOT NULL COMMENT 'UTC',
  `source` varchar(96) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'as in click_flushes',
  `sketch` varbinary(4096) NOT NULL COMMENT 'HyperLogLog: counts visitors, and does not tell who they are',
  PRIMARY KEY (`user_id`,`day`,`source`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `reservations` (
  `slot` tinyint(3) unsigned NOT NULL COMMENT 'crc32(hex(hash)) % 32',
  `hash` binary(32) NOT NULL COMMENT 'of what makes two requests the same one',
  `kind` tinyint(3) unsigned NOT NULL COMMENT '1: find_if_exists; 2: Idempotency-Key',
  `unique_id` varchar(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'key of the link',
  `request_id` binary(16) NOT NULL COMMENT 'with which everybody binds the link',
  `fingerprint` binary(32) NOT NULL COMMENT 'of the body; the first byte names the method',
  `created_at` datetime(3) NOT NULL COMMENT 'of the link',
  `expires_at` datetime(3) DEFAULT NULL COMMENT 'of the reservation; NULL: never',
  PRIMARY KEY (`slot`,`hash`),
  KEY `reservations_expiry` (`expires_at`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `schema_compatibility` (
  `id` tinyint(3) unsigned NOT NULL,
  `compatible_from` smallint(5) unsigned NOT NULL COMMENT 'number of the oldest last migration whose program may use this schema',
  PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `server` (
  `id` tinyint(3) unsigned NOT NULL,
  `incarnation` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'random',
  PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `slots` (
  `slot` tinyint(3) unsigned NOT NULL,
  `owned` tinyint(1) NOT NULL,
  `slot_count` smallint(5) unsigned NOT NULL COMMENT 'the modulus: 32 everywhere',
  `version` int(10) unsigned NOT NULL COMMENT 'rises with every move of the slot',
  PRIMARY KEY (`slot`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `urls` (
  `slot` tinyint(3) unsigned NOT NULL COMMENT 'crc32(unique_id) % 32',
  `unique_id` varchar(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `user_id` bigint(20) unsigned DEFAULT NULL,
  `original_url` text CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `created_at` datetime(3) NOT NULL,
  `expires_at` datetime(3) DEFAULT NULL,
  `request_id` binary(16) NOT NULL COMMENT 'of the request that made the link',
  `deleted_at` datetime(3) DEFAULT NULL,
  `alias` tinyint(1) NOT NULL DEFAULT 0 COMMENT '1: the user chose the key',
  `version` int(10) unsigned NOT NULL DEFAULT 1 COMMENT 'rises with every change',
  `changed_by` binary(16) DEFAULT NULL COMMENT 'id of the last change; NULL: none since the link was made',
  `updated_at` datetime(3) DEFAULT NULL,
  `title` varchar(200) DEFAULT NULL,
  `rules` mediumtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL COMMENT 'JSON; NULL: a plain link',
  `ruled_url` text CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL COMMENT 'the target of a link with rules; then original_url is NULL',
  `visits_left` int(10) unsigned DEFAULT NULL,
  PRIMARY KEY (`slot`,`unique_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
