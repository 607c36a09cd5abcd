import { slotOf } from '../../../db/keyspace/placement.ts';
import { RESERVED_LATER } from '../../../db/keyspace/reserved.ts';
import { openUrlsDb } from '../../../db/urls/links.ts';
import type { StoresConfig, UrlsDbConfig } from '../../../runtime/config/stores.ts';
import { QUIET_LOG } from '../../../runtime/log.ts';
import type { Inquiry } from './ask.ts';

/** Where people write a capital inside a word: its parts, and names that have a spelling of their own. */
const COMPOUNDS: Readonly<Record<string, string>> = {
  oauth: 'OAuth',
  webhook: 'WebHook',
  webhooks: 'WebHooks',
  healthz: 'HealthZ',
  graphql: 'GraphQL',
};

const SPELLINGS = RESERVED_LATER.flatMap(spellingsOf);

/**
 * A word as people spell it: `status`, `Status`, `STATUS`, `Well-Known`, `OAuth`. The case of aliases counts,
 * so looking for every spelling would read the whole table.
 */
function spellingsOf(word: string): string[] {
  const parts = word.split('-').map(capitalised);
  const compound = COMPOUNDS[word];
  const spellings = [word, word.toUpperCase(), capitalised(word), parts.join('-')];
  if (compound !== undefined) spellings.push(compound, compound.charAt(0).toLowerCase() + compound.slice(1));
  return [...new Set(spellings)];
}

function capitalised(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}

/**
 * The aliases of living links that spell a word which was reserved after they were made. They go on working.
 * One query to each urls server, for some 200 keys.
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
    return links.flatMap(({ key, deletedAt }) => (deletedAt === null ? [key] : []));
  } finally {
    await urlsDb.close();
  }
}
