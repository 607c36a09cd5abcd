import type { Drill } from './drill.ts';
import { chaos } from './faults/chaos.ts';
import { killBetween } from './faults/kill-between.ts';
import { clockStep, diskFull, oom } from './faults/machine.ts';
import { MYSQL_DRILLS } from './faults/mysql.ts';
import { PROCESS_DRILLS } from './faults/processes.ts';
import { REDIS_DRILLS } from './faults/redis.ts';
import { keysDbRestored } from './faults/restore.ts';
import { slotMap } from './faults/slot-map.ts';
import { WIRE_DRILLS } from './faults/wire.ts';
import { ZOOKEEPER_DRILLS } from './faults/zookeeper.ts';

/** Every drill there is, in the order in which `--all` runs them. */
export const DRILLS: readonly Drill[] = [
  ...PROCESS_DRILLS,
  killBetween,
  ...REDIS_DRILLS,
  ...MYSQL_DRILLS,
  slotMap,
  keysDbRestored,
  ...ZOOKEEPER_DRILLS,
  ...WIRE_DRILLS,
  oom,
  clockStep,
  diskFull,
  chaos,
];
