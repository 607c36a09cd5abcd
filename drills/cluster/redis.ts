import { openRedis, type RedisClient } from '../../db/redis/redis-client.ts';
import { QUIET_LOG } from '../../runtime/log.ts';

const TIMEOUT_MS = 5_000;

/**
 * Calls `work` with its own connection to one Redis server.
 * @throws Error when the server does not answer
 */
export async function withRedis<T>(
  { name, url }: { readonly name: string; readonly url: string },
  work: (redis: RedisClient) => Promise<T>,
): Promise<T> {
  await using redis = openRedis(url, { name, log: QUIET_LOG, commandTimeoutMs: TIMEOUT_MS });
  if (!(await redis.whenConnected(TIMEOUT_MS))) throw new Error(`${name} does not answer`);
  return await work(redis);
}
