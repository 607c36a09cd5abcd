import { openRedis, type RedisClient } from '../../db/redis/redis-client.ts';
import { QUIET_LOG } from '../../runtime/log.ts';

const CONNECT_MS = 5_000;

/** Works with one Redis server of the cluster over a connection of its own. @throws Error when it does not answer */
export async function withRedis<T>(
  { name, url }: { readonly name: string; readonly url: string },
  work: (redis: RedisClient) => Promise<T>,
): Promise<T> {
  await using redis = openRedis(url, { name, log: QUIET_LOG, commandTimeoutMs: CONNECT_MS });
  if (!(await redis.whenConnected(CONNECT_MS))) throw new Error(`${name} does not answer`);
  return await work(redis);
}
