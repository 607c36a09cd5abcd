import type { RedisClient } from '../../db/redis/redis-client.ts';
import { monotonicMs } from '../../runtime/clock.ts';
import { ratesOf } from '../method/rates.ts';
import { toRow, type BenchRow } from '../method/row.ts';
import { WORK_TREE } from '../servers/product.ts';
import { Delivery, POOLS } from '../world/delivery.ts';
import type { Bench, BenchContext } from './bench.ts';

const KEYS_PER_POOL = 500_000;
/** Unused keys beyond those that the pools take. */
const SPARE = 300_000;
const GOAL = 150_000;
const SEGMENTS = 10;
const KEYS_PER_PUSH = 5_000;

/**
 * A real producer with its supervisor fills four empty pools from one keys-db: claim, read, place, deliver by
 * fenced Lua calls, mark as used. The bench reads the lengths of the pools.
 */
export const deliver: Bench = {
  name: 'deliver',
  does: `one producer fills ${POOLS} pools with ${(POOLS * KEYS_PER_POOL).toLocaleString('en-US')} keys, beside raw RPUSH`,
  long: false,
  run,
};

async function run(context: BenchContext): Promise<BenchRow> {
  context.say('deliver: starting a private ZooKeeper, MariaDB and 4 Redis');
  await using delivery = await Delivery.start(context, WORK_TREE);
  const total = POOLS * KEYS_PER_POOL;
  await delivery.stock(total + SPARE);
  const before = await pushRaw(delivery.pools, 'raw:before');
  const progress = context.progress('deliver', total, 'keys');
  const filled = await delivery.fill(KEYS_PER_POOL, (keys) => progress.update(keys));
  progress.stop();
  const after = await pushRaw(delivery.pools, 'raw:after');
  return toRow({
    name: 'deliver',
    unit: 'keys/s',
    value: filled.keysPerSecond,
    samples: ratesOf(filled.seen, SEGMENTS),
    baseline: `raw RPUSH of as many keys to the same ${POOLS} Redis (${KEYS_PER_PUSH} a command)`,
    baselineValue: (before + after) / 2,
    control: after / before,
    goal: GOAL,
    details: { keys: total },
  });
}

/** Keys per second into all servers together. */
async function pushRaw(clients: readonly RedisClient[], list: string): Promise<number> {
  const keys = Array.from({ length: KEYS_PER_PUSH }, (_, i) => `k${i.toString(36).padStart(7, '0')}`);
  const startedMs = monotonicMs();
  await Promise.all(
    clients.map(async (client) => {
      for (let pushed = 0; pushed < KEYS_PER_POOL; pushed += KEYS_PER_PUSH) {
        await client.command('RPUSH', [list, ...keys], { timeoutMs: 10_000 });
      }
    }),
  );
  const rate = (clients.length * KEYS_PER_POOL * 1_000) / (monotonicMs() - startedMs);
  await Promise.all(clients.map(async (client) => client.command('UNLINK', [list])));
  return rate;
}
