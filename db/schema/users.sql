CREATE TABLE `api_keys` (
  `key_id` char(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'public part of the key',
  `user_id` bigint(20) unsigned NOT NULL,
  `name` varchar(100) NOT NULL,
  `secret_hash` binary(32) NOT NULL COMMENT 'SHA-256 of the whole key',
  `scopes` varchar(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'separated by blanks',
  `created_at` datetime(3) NOT NULL,
  `expires_at` datetime(3) DEFAULT NULL,
  `last_used_at` datetime(3) DEFAULT NULL COMMENT 'to the minute',
  `revoked_at` datetime(3) DEFAULT NULL,
  `made_with` varchar(900) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '' COMMENT 'ids of keys, separated by blanks: the first was made with a session, the last made this one',
  PRIMARY KEY (`key_id`),
  KEY `api_keys_user` (`user_id`,`created_at`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `blocked_domains` (
  `domain` varchar(253) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'with all names below it',
  `block_id` bigint(20) unsigned NOT NULL COMMENT 'ordered by time',
  `note` varchar(1000) DEFAULT NULL COMMENT 'why',
  `blocked_by` bigint(20) unsigned NOT NULL COMMENT 'the administrator; the account may be gone',
  `blocked_at` datetime(3) NOT NULL,
  PRIMARY KEY (`domain`),
  UNIQUE KEY `blocked_domains_id` (`block_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `blocked_domains_version` (
  `id` tinyint(3) unsigned NOT NULL COMMENT 'always 1',
  `version` bigint(20) unsigned NOT NULL COMMENT 'rises with each change of blocked_domains',
  PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `counter_marks` (
  `id` tinyint(3) unsigned NOT NULL COMMENT 'always 1',
  `reserved_to` bigint(20) unsigned NOT NULL COMMENT 'every id up to it belongs to some mapper, or is lost',
  PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

CREATE TABLE `import_jobs` (
  `job_id` binary(16) NOT NULL,
  `user_id` bigint(20) unsigned NOT NULL COMMENT 'whose links they become',
  `created_at` datetime(3) NOT NULL,
  `options` text CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL COMMENT 'JSON',
  `bytes` bigint(20) unsigned NOT NULL DEFAULT 0 COMMENT 'of the file; 0: it is still uploaded',
  `state` varchar(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'uploading, waiting, running, done or failed',
  `progress` mediumtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL COMMENT 'JSON',
  `reason` varchar(1000) DEFAULT NULL COMMENT 'why it failed, or waits',
  `holder` varchar(96) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL COMMENT 'the process that carries it out',
  `held_until` datetime(3) DEFAULT NULL COMMENT 'then another process may go on',
  `attempts` tinyint(3) unsigned NOT NULL DEFAULT 0 COMMENT 'since more of it was done than ever before',
  `furthest` bigint(20) unsigned NOT NULL DEFAULT 0 COMMENT 'how many records were done',
  `finished_at` datetime(3) DEFAULT NULL,
  `file_removed_at` datetime(3) DEFAULT NULL COMMENT 'since then there is no report',
  `removed_at` datetime(3) DEFAULT NULL COMMENT 'its user has removed it: its file goes in pieces, then the row',
  PRIMARY KEY (`job_id`),
  KEY `import_jobs_user` (`user_id`,`created_at`),
  KEY `import_jobs_state` (`state`,`held_until`),
  KEY `import_jobs_created` (`created_at`),
  KEY `import_jobs_file` (`file_removed_at`,`created_at`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `import_pieces` (
  `job_id` binary(16) NOT NULL,
  `piece` int(10) unsigned NOT NULL COMMENT 'from 0',
  `bytes` mediumblob NOT NULL,
  PRIMARY KEY (`job_id`,`piece`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `password_resets` (
  `token_hash` binary(32) NOT NULL COMMENT 'SHA-256 of the token',
  `user_id` bigint(20) unsigned NOT NULL,
  `created_at` datetime(3) NOT NULL,
  `expires_at` datetime(3) NOT NULL,
  PRIMARY KEY (`token_hash`),
  KEY `password_resets_user` (`user_id`),
  KEY `password_resets_expires` (`expires_at`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `reports` (
  `report_id` bigint(20) unsigned NOT NULL,
  `unique_id` varchar(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'of the link',
  `reason` varchar(1000) NOT NULL,
  `created_at` datetime(3) NOT NULL,
  PRIMARY KEY (`report_id`),
  KEY `reports_link` (`unique_id`),
  KEY `reports_created` (`created_at`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `schema_compatibility` (
  `id` tinyint(3) unsigned NOT NULL,
  `compatible_from` smallint(5) unsigned NOT NULL COMMENT 'number of the oldest last migration whose program may use this schema',
  PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `sessions` (
  `secret_hash` binary(32) NOT NULL COMMENT 'SHA-256 of the cookie',
  `user_id` bigint(20) unsigned NOT NULL,
  `created_at` datetime(3) NOT NULL,
  `used_at` datetime(3) NOT NULL,
  `expires_at` datetime(3) NOT NULL,
  PRIMARY KEY (`secret_hash`),
  KEY `sessions_user` (`user_id`),
  KEY `sessions_expires` (`expires_at`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `users` (
  `user_id` bigint(20) unsigned NOT NULL AUTO_INCREMENT,
  `first_name` varchar(100) DEFAULT NULL,
  `middle_name` varchar(100) DEFAULT NULL,
  `last_name` varchar(100) DEFAULT NULL,
  `email` varchar(254) NOT NULL,
  `password` varchar(255) NOT NULL COMMENT 'a hash, never the password',
  `created_at` datetime(3) NOT NULL DEFAULT current_timestamp(3),
  `updated_at` datetime(3) NOT NULL DEFAULT current_timestamp(3),
  `is_admin` tinyint(1) NOT NULL DEFAULT 0,
  `disabled_at` datetime(3) DEFAULT NULL,
  `deletion_asked_at` datetime(3) DEFAULT NULL COMMENT 'the account is gone; its links and this row follow',
  `delete_links` tinyint(1) NOT NULL DEFAULT 0,
  PRIMARY KEY (`user_id`),
  UNIQUE KEY `users_email` (`email`),
  KEY `users_deletion` (`deletion_asked_at`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `visitor_salts` (
  `day` date NOT NULL COMMENT 'UTC; deleted after two days',
  `salt` binary(32) NOT NULL COMMENT 'random',
  PRIMARY KEY (`day`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `webhook_deliveries` (
  `webhook_id` binary(16) NOT NULL,
  `attempted_at` datetime(3) NOT NULL,
  `delivery_id` binary(16) NOT NULL,
  `event_id` binary(16) NOT NULL,
  `event` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `attempt` smallint(5) unsigned NOT NULL,
  `status` smallint(5) unsigned DEFAULT NULL COMMENT 'of the answer; NULL: none came',
  `reason` varchar(1000) DEFAULT NULL COMMENT 'why it failed',
  `took_ms` int(10) unsigned NOT NULL,
  `next_at` datetime(3) DEFAULT NULL COMMENT 'of the next attempt; NULL: there is none',
  PRIMARY KEY (`webhook_id`,`attempted_at`,`delivery_id`),
  KEY `webhook_deliveries_attempted` (`attempted_at`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `webhooks` (
  `webhook_id` binary(16) NOT NULL,
  `user_id` bigint(20) unsigned NOT NULL,
  `url` text CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `events` varchar(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'separated by blanks',
  `secret` varbinary(255) NOT NULL COMMENT 'encrypted: it signs, so a hash is not enough',
  `previous_secrets` varchar(4400) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '' COMMENT 'hexadecimal digits:milliseconds until which it signs too, separated by blanks, the newest first',
  `previous_until` datetime(3) DEFAULT NULL COMMENT 'then none of them signs any more',
  `created_at` datetime(3) NOT NULL,
  `listens_since` datetime(3) NOT NULL COMMENT 'it is not told of links that expired before',
  `failing_since` datetime(3) DEFAULT NULL COMMENT 'no delivery has succeeded since then',
  `disabled_at` datetime(3) DEFAULT NULL,
  `disabled_reason` varchar(1000) DEFAULT NULL,
  `changed_at` datetime(3) NOT NULL COMMENT 'since then somebody may want other events; by the clock of this server',
  `drops_before` datetime(3) DEFAULT NULL COMMENT 'it was off then: what happened before is not told',
  PRIMARY KEY (`webhook_id`),
  KEY `webhooks_user` (`user_id`,`created_at`),
  KEY `webhooks_changed` (`changed_at`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
