import type { Drill } from './drill.ts';
import { MYSQL_DRILLS } from './faults/mysql.ts';
import { PROCESS_DRILLS } from './faults/processes.ts';
import { REDIS_DRILLS } from './faults/redis.ts';
import { ZOOKEEPER_DRILLS } from './faults/zookeeper.ts';

/** Every drill there is, in the order in which `--all` runs them. */
export const DRILLS: readonly Drill[] = [
  ...PROCESS_DRILLS,
  ...REDIS_DRILLS,
  ...MYSQL_DRILLS,
  ...ZOOKEEPER_DRILLS,
];
