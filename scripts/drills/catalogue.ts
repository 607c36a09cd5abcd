import type { Drill } from './drill.ts';
import { PROCESS_DRILLS } from './faults/processes.ts';

/** Every drill there is, in the order in which `--all` runs them. */
export const DRILLS: readonly Drill[] = [...PROCESS_DRILLS];
