import { POOL_KEY } from '../../db/redis/redis-keys.ts';
import { withRedis } from '../cluster/redis.ts';
import type { DrillRun } from './drill-run.ts';

const HIDDEN_KEY = 'drill:hidden';

/**
 * Moves hidden keys back to the head of the pool in their old order, because they were the next to be taken.
 * At most 1,000 a call, so that other clients of this Redis do not wait long. Returns how many are still
 * hidden.
 */
const BRING_BACK = `for i = 1, 1000 do
  local key = redis.call('RPOP', KEYS[1])
  if not key then return 0 end
  redis.call('LPUSH', KEYS[2], key)
end
return redis.call('LLEN', KEYS[1])`;

/** Hides the keys of every pool: producers claim. `undo('pools')` brings them back, and no key is lost. */
export async function hidePools(run: DrillRun): Promise<void> {
  run.undoLater('pools', async () => bringBack(run));
  await onEveryRedis(run, 'RENAMENX', [POOL_KEY, HIDDEN_KEY]);
}

/**
 * Makes every Redis hold back all writes for `ms`, or until `undo('writes')`. Reads are answered. A batch
 * that is claimed meanwhile cannot be delivered.
 */
export async function holdWrites(run: DrillRun, ms: number): Promise<void> {
  run.undoLater('writes', async () => onEveryRedis(run, 'CLIENT', ['UNPAUSE']));
  await onEveryRedis(run, 'CLIENT', ['PAUSE', ms, 'WRITE']);
}

async function bringBack(run: DrillRun): Promise<void> {
  await Promise.all(
    run.cluster.file.redis.map(async (server) =>
      withRedis(server, async (redis) => {
        while (Number(await redis.command('EVAL', [BRING_BACK, 2, HIDDEN_KEY, POOL_KEY])) > 0);
      }),
    ),
  );
}

async function onEveryRedis(
  run: DrillRun,
  command: string,
  args: readonly (string | number)[],
): Promise<void> {
  await Promise.all(
    run.cluster.file.redis.map(async (server) =>
      withRedis(server, async (redis) => redis.command(command, args).catch(ignoreNoSuchKey)),
    ),
  );
}

/** Redis has no list for an empty pool. */
function ignoreNoSuchKey(error: unknown): void {
  if (!(error instanceof Error) || !error.message.includes('no such key')) throw error;
}
