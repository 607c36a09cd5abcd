import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** A Lua script as Redis knows it. */
export interface Script {
  readonly name: string;
  readonly source: string;
  /** What EVALSHA takes. */
  readonly sha1: string;
}

/** All scripts, read once at start. Each file's header says what KEYS, ARGV and the reply are. */
export const SCRIPTS = {
  deliver: readScript('deliver'),
  raiseEpoch: readScript('raise-epoch'),
  skipTo: readScript('skip-to'),
  take: readScript('take'),
  putBack: readScript('put-back'),
  cacheRead: readScript('cache-read'),
  cacheFill: readScript('cache-fill'),
  cacheForget: readScript('cache-forget'),
} as const;

function readScript(name: string): Script {
  const source = readFileSync(new URL(`./lua/${name}.lua`, import.meta.url), 'utf8');
  return { name, source, sha1: createHash('sha1').update(source).digest('hex') };
}
