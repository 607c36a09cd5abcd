import { POOL_KEY } from '../../db/redis/redis-keys.ts';
import { withRedis } from './redis.ts';
import type { Stage } from './stage.ts';

const HIDDEN_KEY = 'drill:hidden';

/** Back to the head, in their order, for they were the next to be taken; some at a time, so that nobody waits long. */
const BRING_BACK = `for i = 1, 1000 do
  local key = redis.call('RPOP', KEYS[1])
  if not key then return 0 end
  redis.call('LPUSH', KEYS[2], key)
end
return redis.call('LLEN', KEYS[1])`;

async function bringBack(stage: Stage): Promise<void> {
  await Promise.all(
    stage.cluster.file.redis.map(async (server) =>
      withRedis(server, async (redis) => {
        while (Number(await redis.command('EVAL', [BRING_BACK, 2, HIDDEN_KEY, POOL_KEY])) > 0);
      }),
    ),
  );
}

async function onEveryRedis(
  stage: Stage,
  command: string,
  args: readonly (string | number)[],
): Promise<void> {
  await Promise.all(
    stage.cluster.file.redis.map(async (server) =>
      withRedis(server, async (redis) => redis.command(command, args).catch(ignoreNoSuchKey)),
    ),
  );
}

/** An empty pool has no list. */
function ignoreNoSuchKey(error: unknown): void {
  if (!(error instanceof Error) || !error.message.includes('no such key')) throw error;
}

/** Hides every pool's keys, so that producers see them empty and claim; no key is lost. They come back with `undo('pools')`. */
export async function hidePools(stage: Stage): Promise<void> {
  stage.undoLater('pools', async () => bringBack(stage));
  await onEveryRedis(stage, 'RENAMENX', [POOL_KEY, HIDDEN_KEY]);
}

/** Every Redis holds back all writes for `ms`, and goes on answering reads: what is claimed meanwhile is not delivered. */
export async function holdWrites(stage: Stage, ms: number): Promise<void> {
  stage.undoLater('writes', async () => onEveryRedis(stage, 'CLIENT', ['UNPAUSE']));
  await onEveryRedis(stage, 'CLIENT', ['PAUSE', ms, 'WRITE']);
}
