import { slotOf } from '../../../db/keyspace/placement.ts';
import { RESERVED_LATER } from '../../../db/keyspace/reserved.ts';
import { openUrlsDb } from '../../../db/urls/links.ts';
import type { StoresConfig, UrlsDbConfig } from '../../../runtime/config/stores.ts';
import { QUIET_LOG } from '../../../runtime/log.ts';
import type { Inquiry } from './ask.ts';

/** Each reserved word as people spell it: `status`, `Status`, `STATUS`. Other spellings are not looked up. */
const SPELLINGS = RESERVED_LATER.flatMap((word) => [
  word,
  word.charAt(0).toUpperCase() + word.slice(1),
  word.toUpperCase(),
]);

/**
 * The aliases of living links that spell a word which was reserved after they were made. They go on working.
 * One query to each urls server, for some 300 keys.
 */
export async function readReservedAliases(
  inquiry: Inquiry,
  { urlsDbs }: Pick<StoresConfig, 'urlsDbs'>,
): Promise<string[]> {
  const found = await Promise.all(
    urlsDbs.map(async (config) => (await inquiry.ask(config.name, () => findAliases(config))) ?? []),
  );
  return found.flat().sort();
}

async function findAliases(config: UrlsDbConfig): Promise<string[]> {
  const urlsDb = openUrlsDb({ ...config, log: QUIET_LOG, connections: 1 });
  try {
    const links = await urlsDb.find(SPELLINGS.filter((word) => config.slots.includes(slotOf(word))));
    return links.flatMap(({ key, longUrl }) => (longUrl === null ? [] : [key]));
  } finally {
    await urlsDb.close();
  }
}
