import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../../runtime/errors.ts';
import { rotate } from '../servers/rotate.ts';

/**
 * The log keeper of a cluster: bounds the log files in a folder, whichever process writes them. Ends when the
 * folder is gone.
 *
 *     node log-keeper-main.ts <folder>
 */

/** A file is rotated above this size. Its older part is at most twice as long. */
const MAX_BYTES = 16 * 2 ** 20;
const CHECK_EVERY_MS = 2_000;

const folder = process.argv[2] ?? '';
const failing = new Set<string>();

function check(): void {
  if (!existsSync(folder)) process.exit(0);
  for (const name of readdirSync(folder).filter((file) => file.endsWith('.log'))) {
    try {
      rotate(join(folder, name), MAX_BYTES);
      failing.delete(name);
    } catch (error) {
      // Once for each failure that lasts: these lines go to a log file too.
      if (!failing.has(name)) process.stderr.write(`${name} cannot be rotated: ${messageOf(error)}\n`);
      failing.add(name);
    }
  }
}

check();
setInterval(check, CHECK_EVERY_MS);
