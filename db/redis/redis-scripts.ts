import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** A Lua script, and the name under which Redis caches it. */
export interface Script {
  readonly name: string;
  readonly source: string;
  /** For EVALSHA. */
  readonly sha1: string;
}

const CHECKS = readLua('checks');
const PUSH_KEYS = readLua('push-keys');

/** All scripts, read once at start. The header of each file describes KEYS, ARGV and the reply. */
export const SCRIPTS = {
  deliver: readScript('deliver', CHECKS + PUSH_KEYS),
  raiseEpoch: readScript('raise-epoch', CHECKS),
  skipTo: readScript('skip-to', CHECKS),
  take: readScript('take', CHECKS),
  nextIds: readScript('next-ids', CHECKS),
  keepEntry: readScript('keep-entry'),
  removeEntry: readScript('remove-entry'),
  claimMarks: readScript('claim-marks'),
  putBack: readScript('put-back', CHECKS + PUSH_KEYS),
  cacheRead: readScript('cache-read'),
  cacheFill: readScript('cache-fill'),
  cacheForget: readScript('cache-forget'),
  count: readScript('count'),
  watchLinks: readScript('watch-links'),
  addClicks: readScript('add-clicks'),
} as const;

/** @param functions Lua functions that the script calls; they precede it */
function readScript(name: string, functions = ''): Script {
  const source = functions + readLua(name);
  return { name, source, sha1: createHash('sha1').update(source).digest('hex') };
}

function readLua(name: string): string {
  return readFileSync(new URL(`./lua/${name}.lua`, import.meta.url), 'utf8');
}
