import { MapperEntries } from '../../../db/redis/mapper-entries.ts';
import { mapperKey } from '../../../db/redis/redis-keys.ts';
import { parseMapperMember } from '../../../coordinator/overview/mapper-member.ts';
import type { OperatorConfig } from '../../../runtime/config/config.ts';
import type { RedisShardConfig } from '../../../runtime/config/stores.ts';
import { parseJson } from '../../../runtime/json.ts';
import { QUIET_LOG } from '../../../runtime/log.ts';
import { ASK_DEADLINE_MS, askOnly, type Inquiry } from './ask.ts';
import type { Coordination } from '../../../coordinator/overview/coordination.ts';
import { readCoordination } from './coordination.ts';
import { NOTHING_KNOWN } from './strangers.ts';

type Stores = Pick<OperatorConfig, 'zookeeper' | 'stores'>;

/**
 * Who runs, from ZooKeeper or, in a cluster without it, from the first Redis. There the mappers are all there
 * is. Undefined when the source did not answer: then it counts as unreachable.
 */
export async function askForMembers(inquiry: Inquiry, config: Stores): Promise<Coordination | undefined> {
  return inquiry.ask(sourceOf(config), async (signal) => readMembership(config, signal));
}

/** The same, for commands that cannot work without. @throws UnreachableError */
export async function requireMembers(config: Stores): Promise<Coordination> {
  return askOnly(sourceOf(config), async (signal) => readMembership(config, signal));
}

function sourceOf({ zookeeper, stores }: Stores): string {
  return zookeeper === undefined ? (stores.redis[0]?.name ?? 'redis') : 'zookeeper';
}

async function readMembership({ zookeeper, stores }: Stores, signal: AbortSignal): Promise<Coordination> {
  const [first] = stores.redis;
  return zookeeper === undefined && first !== undefined
    ? readFromRedis(first)
    : readCoordination(zookeeper, signal);
}

async function readFromRedis({ name, url }: RedisShardConfig): Promise<Coordination> {
  await using entries = new MapperEntries({ name, url, log: QUIET_LOG });
  // Without a connection, the question itself fails with the reason.
  await entries.whenConnected(ASK_DEADLINE_MS - 100);
  const mappers = [...(await entries.read())].map(
    ([id, text]) => [id, parseMapperMember(parseJson(text))] as const,
  );
  return {
    ...NOTHING_KNOWN,
    mappers: mappers.flatMap(([, member]) => member ?? []),
    foreign: mappers.flatMap(([id, member]) => (member === undefined ? [mapperKey(id)] : [])),
  };
}
