CREATE TABLE `click_flushes` (
  `source` varchar(96) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'one process of a mapper, from its start to its end',
  `seq` bigint(20) unsigned NOT NULL COMMENT 'of its last flush',
  `flushed_at` datetime(3) NOT NULL,
  PRIMARY KEY (`source`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `click_totals` (
  `slot` tinyint(3) unsigned NOT NULL COMMENT 'as in urls',
  `unique_id` varchar(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `humans` bigint(20) unsigned NOT NULL,
  `bots` bigint(20) unsigned NOT NULL,
  PRIMARY KEY (`slot`,`unique_id`)
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
  PRIMARY KEY (`slot`,`import_id`)
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

CREATE TABLE `owned` (
  `user_id` bigint(20) unsigned NOT NULL,
  `created_at` datetime(3) NOT NULL COMMENT 'as in urls',
  `unique_id` varchar(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `slot` tinyint(3) unsigned NOT NULL,
  `target_hash` binary(16) NOT NULL COMMENT 'of the target: the first half of its SHA-256',
  PRIMARY KEY (`user_id`,`created_at`,`unique_id`),
  KEY `owned_target` (`user_id`,`target_hash`)
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
