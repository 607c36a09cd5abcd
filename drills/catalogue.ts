import { BLOB_DRILLS } from './faults/blobs.ts';
import { chaos } from './faults/chaos.ts';
import { clockStep } from './faults/clock.ts';
import { diskFull } from './faults/disk.ts';
import { grow } from './faults/grow.ts';
import { imageKill } from './faults/image-kill.ts';
import { killBetween } from './faults/kill-between.ts';
import { oom } from './faults/memory.ts';
import { MYSQL_DRILLS } from './faults/mysql.ts';
import { NETWORK_DRILLS } from './faults/network.ts';
import { linksChanged } from './faults/own-links.ts';
import { PROCESS_DRILLS } from './faults/processes.ts';
import { REDIS_DRILLS } from './faults/redis.ts';
import { keysDbRestored } from './faults/restore.ts';
import { slotMap } from './faults/slot-map.ts';
import { URLS_RESTORE_DRILLS } from './faults/urls-restore.ts';
import { URLS_SERVER_DRILLS } from './faults/urls-servers.ts';
import { visitsExact } from './faults/visits.ts';
import { ZOOKEEPER_DRILLS } from './faults/zookeeper.ts';
import type { Drill } from './run/drill.ts';

/** Every drill, in the order in which `--all` runs them. */
export const DRILLS: readonly Drill[] = [
  ...PROCESS_DRILLS,
  killBetween,
  linksChanged,
  visitsExact,
  imageKill,
  ...BLOB_DRILLS,
  ...REDIS_DRILLS,
  ...MYSQL_DRILLS,
  ...URLS_SERVER_DRILLS,
  slotMap,
  keysDbRestored,
  ...URLS_RESTORE_DRILLS,
  ...ZOOKEEPER_DRILLS,
  ...NETWORK_DRILLS,
  oom,
  clockStep,
  diskFull,
  grow,
  chaos,
];
