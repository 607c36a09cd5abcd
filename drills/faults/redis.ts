import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { POOL_KEY } from '../../db/redis/redis-keys.ts';
import { parseMetrics, tryGet } from '../../scripts/cluster/http.ts';
import type { Drill } from '../drill.ts';
import { killFor, stopFor } from '../stage/outage.ts';
import { withRedis } from '../stage/redis.ts';
import type { Stage } from '../stage/stage.ts';

/** Drills on the Redis shards that hold the key pools. */

const FAULT_MS = 5_000;
const ALL_DOWN_MS = 30_000;

function chooseRedis(stage: Stage): { name: string; url: string } {
  return stage.pick(stage.cluster.file.redis);
}

async function fullestRedis(stage: Stage): Promise<string> {
  const levels = await Promise.all(
    stage.cluster.file.redis.map(async (server) => ({
      name: server.name,
      level: await withRedis(server, async (redis) => Number(await redis.command('LLEN', [POOL_KEY]))),
    })),
  );
  return levels.reduce((best, next) => (next.level > best.level ? next : best)).name;
}

/** Keys that mappers drew and found bound, since they were started. */
async function duplicatesMet(stage: Stage): Promise<number> {
  const pages = await Promise.all(
    stage.cluster.file.mappers.map(async ({ admin }) => tryGet(`${admin}/metrics`)),
  );
  return pages
    .flatMap((page) => parseMetrics(page?.body ?? ''))
    .filter(({ name }) => name === 'keymill_key_duplicates_total')
    .reduce((sum, { value }) => sum + value, 0);
}

const redisDown: Drill = {
  name: 'redis-down',
  does: 'one Redis is killed and started again: the others serve, and it is filled again',
  needs: [],
  rounds: 3,
  round: async (stage) => killFor(stage, [chooseRedis(stage).name], FAULT_MS),
};

const redisHung: Drill = {
  name: 'redis-hung',
  does: 'one Redis is stopped by SIGSTOP, so that it accepts connections and answers nothing: the others serve',
  needs: [],
  rounds: 3,
  round: async (stage) => stopFor(stage, chooseRedis(stage).name, FAULT_MS),
};

const redisFlushed: Drill = {
  name: 'redis-flushed',
  does: 'FLUSHALL on one Redis: the loss is noticed without a restart, the pool filled again, the lost keys recycled',
  needs: [],
  rounds: 3,
  round: async (stage) => {
    const { name, url } = chooseRedis(stage);
    const end = stage.beginFault(`FLUSHALL on ${name}`);
    await withRedis({ name, url }, async (redis) => redis.command('FLUSHALL', []));
    await stage.pause(FAULT_MS);
    end();
  },
};

const redisRollback: Drill = {
  name: 'redis-rollback',
  does: 'one Redis comes back with the data of some seconds ago, full of keys that are bound by now: none is bound twice',
  needs: [],
  rounds: 2,
  round: async (stage) => {
    const { cluster } = stage;
    // The one that keys are taken from now: the fullest.
    const name = await fullestRedis(stage);
    const data = join(cluster.runDir.dataOf(name), 'appendonlydir');
    const copy = join(cluster.runDir.dataOf(name), 'drill-copy');
    stage.event(`the data of ${name} is copied`);
    await cp(data, copy, { recursive: true });
    await stage.pause(FAULT_MS);
    stage.forgive(name);
    stage.undoLater('restart', async () => cluster.startMissing());
    const end = stage.beginFault(`${name} is killed, and its old data put back`);
    await cluster.kill(name);
    await rm(data, { recursive: true });
    await cp(copy, data, { recursive: true });
    await rm(copy, { recursive: true });
    await stage.undo('restart');
    const met = await duplicatesMet(stage);
    stage.event(`${name} runs again, on its old data`);
    await stage.pause(FAULT_MS);
    stage.event(
      `mappers met ${(await duplicatesMet(stage)) - met} keys that were bound already, and bound none of them`,
    );
    end();
  },
};

const poolsEmpty: Drill = {
  name: 'pools-empty',
  does: 'every Redis is down for 30 s: redirects go on, shortens are refused at once, and all is back within 2 s of healing',
  needs: [],
  rounds: 1,
  round: async (stage) => {
    const names = stage.cluster.file.redis.map(({ name }) => name);
    await killFor(stage, names, ALL_DOWN_MS);
    stage.healed();
    await stage.pause(3_000);
  },
};

export const REDIS_DRILLS: readonly Drill[] = [redisDown, redisHung, redisFlushed, redisRollback, poolsEmpty];
