import { createLog } from '../../../runtime/log.ts';

/** For what the parts log when they are used from a command line: the command itself says what went wrong, on stderr. */
export const QUIET_LOG = createLog('keymill', 'keymill', 'silent');
