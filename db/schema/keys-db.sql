CREATE TABLE `batches` (
  `id` bigint(20) unsigned NOT NULL,
  `kind` enum('range','recycled') CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `first_id` bigint(20) unsigned DEFAULT NULL COMMENT 'NULL for kind recycled',
  `last_id` bigint(20) unsigned DEFAULT NULL,
  `ids` mediumtext CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL COMMENT 'JSON list, kind recycled',
  `size` int(10) unsigned NOT NULL COMMENT 'ids in the range or list',
  `epoch` bigint(20) unsigned NOT NULL,
  `parts` text NOT NULL COMMENT 'JSON list of {pool, seq}',
  `delivered` bigint(20) unsigned NOT NULL DEFAULT 0 COMMENT 'bit i: part i is delivered',
  `claimed_to` bigint(20) unsigned NOT NULL COMMENT 'the claim mark after this batch',
  `seqs` text NOT NULL COMMENT 'JSON object pool -> highest seq assigned so far',
  `claimed_at` datetime(3) NOT NULL,
  `completed_at` datetime(3) DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `batches_first_id` (`first_id`),
  KEY `batches_completed_at` (`completed_at`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `gaps` (
  `id` bigint(20) unsigned NOT NULL COMMENT 'its key spells a reserved or blocked word',
  PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `kept_marks` (
  `urls_db` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `beat` bigint(20) unsigned NOT NULL,
  `host` varchar(255) NOT NULL,
  `port` int(10) unsigned NOT NULL,
  `server_id` bigint(20) unsigned NOT NULL,
  `started_s` bigint(20) unsigned NOT NULL COMMENT 'Unix time, to 2 s',
  `server_incarnation` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `kept_at` datetime(3) NOT NULL,
  PRIMARY KEY (`urls_db`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `keys` (
  `id` bigint(20) unsigned NOT NULL,
  `unique_id` varchar(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `status` enum('unused','used') CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'unused',
  PRIMARY KEY (`id`),
  UNIQUE KEY `keys_unique_id` (`unique_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `keyspace` (
  `id` tinyint(3) unsigned NOT NULL,
  `fingerprint` varchar(64) NOT NULL,
  `key_length` tinyint(3) unsigned NOT NULL,
  `region_bits` tinyint(3) unsigned NOT NULL,
  `region` int(10) unsigned NOT NULL,
  PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `losses` (
  `pool` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `from_seq` bigint(20) unsigned NOT NULL,
  `to_seq` bigint(20) unsigned NOT NULL,
  `pool_incarnation` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `epoch` bigint(20) unsigned NOT NULL,
  `recorded_at` datetime(3) NOT NULL,
  PRIMARY KEY (`pool`,`from_seq`,`to_seq`,`pool_incarnation`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `ownership` (
  `id` tinyint(3) unsigned NOT NULL,
  `epoch` bigint(20) unsigned NOT NULL,
  `czxid` bigint(20) unsigned NOT NULL COMMENT 'of the lock whose holder raised the epoch',
  `ensemble` varchar(64) DEFAULT NULL COMMENT 'the ZooKeeper the czxid is of; NULL before the first reign',
  `owner` varchar(128) DEFAULT NULL,
  `claimed_to` bigint(20) unsigned NOT NULL DEFAULT 0 COMMENT 'the claim mark, for people: what decides stands in the newest row of batches',
  `generated_to` bigint(20) unsigned NOT NULL COMMENT 'every key up to this id has been inserted',
  `raised_at` datetime(3) DEFAULT NULL,
  `write_offs` int(10) unsigned NOT NULL DEFAULT 0 COMMENT 'rises with every row of write_offs',
  PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `schema_compatibility` (
  `id` tinyint(3) unsigned NOT NULL,
  `compatible_from` smallint(5) unsigned NOT NULL COMMENT 'number of the oldest last migration whose program may use this schema',
  PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `seen_bound` (
  `range_number` bigint(20) unsigned NOT NULL COMMENT 'as in settled_ranges',
  `bits` varbinary(1250) NOT NULL COMMENT 'bit i: id 10,000 × n + 1 + i',
  PRIMARY KEY (`range_number`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `settled_ranges` (
  `range_number` bigint(20) unsigned NOT NULL COMMENT 'ids of 10,000 × n + 1 to 10,000 × (n + 1)',
  PRIMARY KEY (`range_number`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `suspects` (
  `id` bigint(20) unsigned NOT NULL,
  `first_seen` datetime(3) NOT NULL,
  PRIMARY KEY (`id`),
  KEY `suspects_first_seen` (`first_seen`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `write_offs` (
  `id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'random',
  `urls_db` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `slots` int(10) unsigned NOT NULL COMMENT 'bit i: slot i',
  `claimed_to` bigint(20) unsigned NOT NULL COMMENT 'the claim mark then',
  `kind` enum('restarted','gone-back','restored') CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'restored: said by an operator',
  `reason` varchar(255) NOT NULL,
  `good_at` datetime(3) DEFAULT NULL COMMENT 'when its mark was last kept',
  `recorded_at` datetime(3) NOT NULL,
  PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
