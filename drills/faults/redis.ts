import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { POOL_KEY } from '../../db/redis/redis-keys.ts';
import { parseMetrics, tryGet } from '../../scripts/cluster/http.ts';
import { withRedis } from '../cluster/redis.ts';
import type { DrillRun } from '../run/drill-run.ts';
import type { Drill } from '../run/drill.ts';
import { killFor, stopFor } from '../run/outage.ts';

/** Drills on the Redis shards that store the key pools. */

const FAULT_MS = 5_000;
const ALL_DOWN_MS = 30_000;

function pickRedis(run: DrillRun): { name: string; url: string } {
  return run.pick(run.cluster.file.redis);
}

async function fullestRedis(run: DrillRun): Promise<string> {
  const levels = await Promise.all(
    run.cluster.file.redis.map(async (server) => ({
      name: server.name,
      level: await withRedis(server, async (redis) => Number(await redis.command('LLEN', [POOL_KEY]))),
    })),
  );
  return levels.reduce((best, next) => (next.level > best.level ? next : best)).name;
}

/** How many keys mappers took and found bound since they were started. */
async function countDuplicates(run: DrillRun): Promise<number> {
  const pages = await Promise.all(
    run.cluster.file.mappers.map(async ({ admin }) => tryGet(`${admin}/metrics`)),
  );
  return pages
    .flatMap((page) => parseMetrics(page?.body ?? ''))
    .filter(({ name }) => name === 'keymill_key_duplicates_total')
    .reduce((sum, { value }) => sum + value, 0);
}

const redisDown: Drill = {
  name: 'redis-down',
  does: 'Kills one Redis for 5 s. The others serve, and producers fill it again after its restart.',
  needs: [],
  rounds: 3,
  round: async (run) => killFor(run, [pickRedis(run).name], FAULT_MS),
};

const redisHung: Drill = {
  name: 'redis-hung',
  does: 'Stops one Redis by SIGSTOP for 5 s: it accepts connections and does not answer. The others serve.',
  needs: [],
  rounds: 3,
  round: async (run) => stopFor(run, pickRedis(run).name, FAULT_MS),
};

const redisFlushed: Drill = {
  name: 'redis-flushed',
  does:
    'FLUSHALL on one Redis. Producers notice the loss without a restart and fill the pool again, and the ' +
    'lost keys are recycled.',
  needs: [],
  rounds: 3,
  round: async (run) => {
    const server = pickRedis(run);
    const end = run.beginFault(`FLUSHALL on ${server.name}`);
    await withRedis(server, async (redis) => redis.command('FLUSHALL', []));
    await run.rest(FAULT_MS);
    end();
  },
};

const redisRollback: Drill = {
  name: 'redis-rollback',
  does:
    'One Redis restarts with data of 5 s ago, which contains keys that are bound by now. No key is bound ' +
    'twice.',
  needs: [],
  rounds: 2,
  round: async (run) => {
    const { cluster } = run;
    // Mappers take keys from the fullest pool.
    const name = await fullestRedis(run);
    const data = join(cluster.runDir.dataOf(name), 'appendonlydir');
    const copy = join(cluster.runDir.dataOf(name), 'drill-copy');
    run.event(`the data of ${name} is copied`);
    await cp(data, copy, { recursive: true });
    await run.pause(FAULT_MS);
    run.markRestored(name);
    run.undoLater('restart', async () => cluster.startMissing());
    const end = run.beginFault(`kill -9 of ${name}, and its old data is restored`);
    await cluster.kill(name);
    await rm(data, { recursive: true });
    await cp(copy, data, { recursive: true });
    await rm(copy, { recursive: true });
    await run.undo('restart');
    const before = await countDuplicates(run);
    run.event(`${name} runs again on its old data`);
    await run.pause(FAULT_MS);
    const found = (await countDuplicates(run)) - before;
    run.event(`mappers took ${found} keys that were bound already, and bound none of them again`);
    end();
  },
};

const poolsEmpty: Drill = {
  name: 'pools-empty',
  does:
    'Kills every Redis for 30 s. Redirects continue, shortens are refused immediately, and all requests ' +
    'succeed again within 2 s after healing.',
  needs: [],
  rounds: 1,
  round: async (run) => {
    const names = run.cluster.file.redis.map(({ name }) => name);
    await killFor(run, names, ALL_DOWN_MS);
    run.markHealed();
    await run.pause(3_000);
  },
};

export const REDIS_DRILLS: readonly Drill[] = [redisDown, redisHung, redisFlushed, redisRollback, poolsEmpty];
