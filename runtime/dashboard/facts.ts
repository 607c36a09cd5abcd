import { formatSlots } from '../config/slots.ts';
import type { StoresConfig } from '../config/stores.ts';
import type { Facts } from './seen.ts';

/** What the page says of the configuration of a process. */
export function factsOf(
  self: Pick<Facts, 'id' | 'kind' | 'hasZooKeeper'>,
  { keySource, redis, keysDbs, urlsDbs }: StoresConfig,
): Facts {
  return {
    ...self,
    keySource,
    shards: keysDbs.map(({ name }) => name),
    pools: redis.map(({ name }) => name),
    urlsDbs: urlsDbs.map(({ name, slots }) => ({ name, slots: formatSlots(slots) })),
  };
}
